// Redis servers of a test's own, without persistence.
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { peer } from '../peers.ts';
import { type ChildServer, startChildServer } from './child-server.ts';

/** Why tests with it cannot run. */
export const redisMissing: string | undefined = peer('redis-server').missing;

/**
 * `more`: further flags, such as ['--replicaof', '127.0.0.1 7000']. `at`: another port than any that is free.
 * `password`: which it asks for.
 */
export async function startRedis(
  more: readonly string[] = [],
  at?: number,
  password?: string,
): Promise<ChildServer> {
  return await startChildServer({
    path: peer('redis-server').path ?? '',
    args: (port, folder) => [
      ...['--port', String(at ?? port), '--bind', '127.0.0.1', '--dir', folder],
      ...['--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0'],
      ...more,
    ],
    async probe(port) {
      const client = connectIoredis(at ?? port, { retryStrategy: () => null, password });
      try {
        await client.ping();
      } finally {
        client.disconnect();
      }
    },
  });
}

export function connectIoredis(port: number, more: object = {}): Redis {
  const client = new Redis({ host: '127.0.0.1', port, ...more });
  // Errors come with each command as well.
  client.on('error', () => {});
  return client;
}

export async function connectNodeRedis(port: number) {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on('error', () => {});
  await client.connect();
  return client;
}
