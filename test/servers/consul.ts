// A server that answers as Consul does: the one that already runs at CONCLAVE_TEST_CONSUL_URL, or the program that
// CONCLAVE_TEST_CONSUL names or .ci/go-servers has built, or else the stand-in.
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { optionalPeer } from '../peers.ts';
import { freePorts } from '../ports.ts';
import { startChildServer } from './child-server.ts';

export interface ConsulServer extends AsyncDisposable {
  readonly url: string;
  /** Of whoever administers it, where it asks for one. */
  readonly managementToken?: string;
}

const program = process.env.CONCLAVE_TEST_CONSUL ?? optionalPeer('consul').path;
const url = process.env.CONCLAVE_TEST_CONSUL_URL;
const managementToken = randomUUID();

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
      ...['-grpc-tls-port=-1', `-config-format=json`, `-config-file=${writeAclConfig(folder)}`],
    ],
    probe: (port) => asManager(`http://127.0.0.1:${port}/v1/kv/probe`, { method: 'PUT', body: '' }),
  });
  return {
    ...{ url: `http://127.0.0.1:${child.port}`, managementToken },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** Nobody may do anything without a token. */
function writeAclConfig(folder: string): string {
  const file = join(folder, 'acl.json');
  const tokens = { initial_management: managementToken, agent: managementToken };
  writeFileSync(file, JSON.stringify({ acl: { enabled: true, default_policy: 'deny', tokens } }));
  return file;
}

async function asManager(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, { ...init, headers: { 'X-Consul-Token': managementToken } });
  if (!response.ok) throw new Error(await response.text());
  return response;
}

/**
 * A token that may do what the guide says to grant, for this prefix in place of the guide's; undefined where the server
 * asks for none.
 */
export async function tokenFor(server: ConsulServer, prefix: string): Promise<string | undefined> {
  if (server.managementToken === undefined) return undefined;
  const guide = await readFile(join(import.meta.dirname, '../../docs/stores/consul.md'), 'utf8');
  const rules = /```text\n(key_prefix .*?)```/s.exec(guide)?.[1]?.replace('reports/', prefix);
  const name = prefix.replaceAll('/', '');
  const made = async (what: string, body: object) => {
    const init = { method: 'PUT', body: JSON.stringify(body) };
    return (await asManager(`${server.url}/v1/acl/${what}`, init)).json();
  };
  await made('policy', { Name: name, Rules: rules });
  const { SecretID } = (await made('token', { Policies: [{ Name: name }] })) as { readonly SecretID: string };
  return SecretID;
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
export async function deleteTree(server: ConsulServer, prefix: string): Promise<void> {
  await asManager(`${server.url}/v1/kv/${prefix}?recurse`, { method: 'DELETE' });
}
