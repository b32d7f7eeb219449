// A server that answers as Consul does: the program that CONCLAVE_TEST_CONSUL names (no registry has one), or the one
// that already runs at CONCLAVE_TEST_CONSUL_URL, or else the stand-in.
import { join } from 'node:path';
import { freePorts } from '../../src/cli/dev/ports.ts';
import { startChildServer } from './child-server.ts';

export interface ConsulServer extends AsyncDisposable {
  readonly url: string;
}

const program = process.env.CONCLAVE_TEST_CONSUL;
const url = process.env.CONCLAVE_TEST_CONSUL_URL;

/** What tests run against, for their names. */
export const consulName = program !== undefined || url !== undefined ? 'Consul' : 'the stand-in for Consul';

export async function startConsul(): Promise<ConsulServer> {
  if (url !== undefined) return { url, async [Symbol.asyncDispose]() {} };
  if (program === undefined) return await startStandIn();
  const [server = 0, serf = 0] = await freePorts(2);
  const child = await startChildServer({
    path: program,
    args: (port, folder) => [
      ...['agent', '-server', '-bootstrap-expect=1', '-node=test', `-data-dir=${folder}`],
      ...['-bind=127.0.0.1', `-http-port=${port}`, '-dns-port=-1', '-grpc-port=-1', '-log-level=warn'],
      ...[`-server-port=${server}`, `-serf-lan-port=${serf}`, '-serf-wan-port=-1'],
    ],
    async probe(port) {
      const response = await fetch(`http://127.0.0.1:${port}/v1/kv/probe`, { method: 'PUT', body: '' });
      if (!response.ok) throw new Error(await response.text());
    },
  });
  return {
    url: `http://127.0.0.1:${child.port}`,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

async function startStandIn(): Promise<ConsulServer> {
  const main = join(import.meta.dirname, '../stand-ins/consul-process.ts');
  const child = await startChildServer({
    path: process.execPath,
    args: (port) => ['--disable-warning=ExperimentalWarning', main, String(port)],
    probe: (port) => fetch(`http://127.0.0.1:${port}/v1/kv/probe`),
  });
  return {
    url: `http://127.0.0.1:${child.port}`,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** What an administrator does: everything that begins so is gone. */
export async function deleteTree(server: string, prefix: string): Promise<void> {
  const response = await fetch(`${server}/v1/kv/${prefix}?recurse`, { method: 'DELETE' });
  if (!response.ok) throw new Error(await response.text());
}
