// Two real processes: one is stopped within its transaction, the other leads meanwhile.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { fenced, migrate } from '../../src/fencing/sql/postgres.ts';
import { peer } from '../peers.ts';
import { type PostgresqlServer, startPostgresql } from '../servers/postgresql.ts';
import { leader, offered } from './sql-leaders.ts';

const { path, missing } = peer('postgres');
const patience = { timeout: 120_000 };

describe('a process that is stopped within its fenced transaction', { skip: missing ?? false }, () => {
  let server: PostgresqlServer;
  let pool: pg.Pool;

  before(async () => {
    server = await startPostgresql(path ?? '');
    pool = new pg.Pool({ connectionString: server.url });
    pool.on('error', () => {});
    await pool.query('CREATE TABLE journal (value text NOT NULL)');
    await migrate(pool);
  }, patience);
  after(async () => {
    await pool?.end();
    await server?.[Symbol.asyncDispose]();
  });

  async function stopped(token: number, idleTimeoutMs: number) {
    await pool.query('TRUNCATE journal');
    const variables = { DATABASE_URL: server.url, TOKEN: `${token}`, IDLE_TIMEOUT_MS: `${idleTimeoutMs}` };
    const child = spawn(process.execPath, [join(import.meta.dirname, 'postgres-paused.ts')], {
      env: { ...process.env, ...variables },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exit = once(child, 'exit');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async () => String((await lines.next()).value);
    assert.equal(await line(), 'inside');
    child.kill('SIGSTOP');
    return {
      /** Lets it go on, and resolves to what became of it. */
      async wake(): Promise<string> {
        child.kill('SIGCONT');
        child.stdin.write('go on\n');
        const result = await line();
        await exit;
        return result;
      },
      async [Symbol.asyncDispose]() {
        child.kill('SIGKILL');
        await exit;
      },
    };
  }

  const write = (token: number, lockTimeoutMs: number) =>
    fenced(pool, leader(token), (tx) => tx.query("INSERT INTO journal VALUES ('newer')"), { lockTimeoutMs });
  const values = async () => (await pool.query('SELECT value FROM journal')).rows.map(({ value }) => value);

  test(
    'holds up the newer leader without an idle timeout, and was first when it wakes',
    patience,
    async () => {
      await using older = await stopped(5, 0);
      await assert.rejects(write(6, 200), offered('timeout', true));
      const newer = write(6, 60_000);
      assert.equal(await older.wake(), 'committed');
      await newer;
      assert.deepEqual(await values(), ['older', 'older, late', 'newer']);
    },
  );

  test(
    'is ended by the server with one, and finds nothing of its own applied when it wakes',
    patience,
    async () => {
      await using older = await stopped(7, 1_000);
      await write(8, 60_000);
      assert.equal(await older.wake(), 'failed: unavailable not-applied');
      assert.deepEqual(await values(), ['newer']);
      await assert.rejects(write(7, 60_000), offered('stale-token', false));
    },
  );
});
