/**
 * The least that a durable hand-over on PostgreSQL takes: one UPDATE by which the next one leads, with a NOTIFY that says
 * so, and nothing else. There is no TTL, nobody looks whether the next one lives, and whoever may connect can forge the
 * NOTIFY: a floor to hold others against, and nothing to use.
 */
import pg from 'pg';
import type { OpenClient } from '../client.ts';

const table = `CREATE TABLE IF NOT EXISTS durable_row
(election text PRIMARY KEY, holder text, token bigint NOT NULL, waiting text[] NOT NULL)`;
const enter = `INSERT INTO durable_row VALUES ($1, $2, 1, '{}') ON CONFLICT (election) DO UPDATE SET
holder = coalesce(durable_row.holder, $2), token = durable_row.token + (durable_row.holder IS NULL)::int,
waiting = CASE WHEN durable_row.holder IS NULL THEN durable_row.waiting ELSE durable_row.waiting || $2 END
RETURNING holder`;
const leave = `WITH done AS (UPDATE durable_row SET holder = waiting[1], waiting = waiting[2:], token = token + 1
WHERE election = $1 AND holder = $2 RETURNING holder, token)
SELECT pg_notify('durable_row', $1 || ' ' || token || ' ' || coalesce(holder, '')) FROM done`;

export const durableRow: OpenClient = async ({ url }, holder) => {
  const [client, listening] = [url, url].map((connectionString) => new pg.Client({ connectionString }));
  if (client === undefined || listening === undefined) throw new Error('two connections are needed');
  const led = new Map<string, () => void>();
  for (const one of [client, listening]) {
    one.on('error', () => {});
    await one.connect();
  }
  // Several may make it at once.
  await client.query(table).catch(() => {});
  listening.on('notification', ({ payload = '' }) => {
    const [election = '', , next] = payload.split(' ');
    if (next === holder) led.get(election)?.();
  });
  await listening.query('LISTEN durable_row');
  return {
    async campaign(election) {
      const turn = new Promise<void>((resolve) => led.set(election, resolve));
      const { rows } = await client.query<{ holder: string }>(enter, [election, holder]);
      if (rows[0]?.holder !== holder) await turn;
      return {
        async resign() {
          await client.query(leave, [election, holder]);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await client.end();
      await listening.end();
    },
  };
};
