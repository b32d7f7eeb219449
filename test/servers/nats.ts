// NATS servers of a test's own, with JetStream on file storage.
import { connect, type NodeConnectionOptions } from '@nats-io/transport-node';
import { peer } from '../peers.ts';
import { type ChildServer, startChildServer } from './child-server.ts';

/** CONCLAVE_TEST_NATS_SERVER: another nats-server than the one on PATH. */
const program = process.env.CONCLAVE_TEST_NATS_SERVER;

/** Why tests with it cannot run. */
export const natsMissing: string | undefined =
  program === undefined ? peer('nats-server').missing : undefined;

/**
 * `more`: further flags. `storage`: where JetStream keeps its data, other than in a folder of the server's own;
 * 'configured': as a configuration says, which could not be read anew beside a flag.
 */
export async function startNats(
  more: readonly string[] = ['--jetstream'],
  options: { readonly storage?: string; readonly port?: number; readonly login?: NodeConnectionOptions } = {},
): Promise<ChildServer> {
  return await startChildServer({
    path: program ?? peer('nats-server').path ?? '',
    args: (port, folder) => [
      ...['--addr', '127.0.0.1', '--port', String(options.port ?? port)],
      ...(options.storage === 'configured' ? [] : ['--store_dir', options.storage ?? folder]),
      ...more,
    ],
    async probe(port) {
      const connection = await connectNats(options.port ?? port, { ...options.login, reconnect: false });
      await connection.close();
    },
  });
}

export function connectNats(port: number, more: NodeConnectionOptions = {}) {
  return connect({ servers: `127.0.0.1:${port}`, ...more });
}
