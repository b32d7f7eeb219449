/**
 * PostgreSQL's advisory locks by hand: a connection for each, whose end frees it. There is no TTL: a host that is
 * gone, rather than a process, keeps its lock until TCP gives up.
 */
import pg from 'pg';
import type { OpenClient } from '../client.ts';

export const advisoryLocks: OpenClient = async ({ url }) => {
  const connections = new Map<string, Promise<pg.Client>>();
  const connect = async () => {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  return {
    async campaign(election) {
      const connecting = connections.get(election) ?? connect();
      connections.set(election, connecting);
      const client = await connecting;
      await client.query('SELECT pg_advisory_lock(hashtext($1))', [election]);
      return {
        async resign() {
          await client.query('SELECT pg_advisory_unlock(hashtext($1))', [election]);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const connecting of connections.values()) await (await connecting).end();
    },
  };
};
