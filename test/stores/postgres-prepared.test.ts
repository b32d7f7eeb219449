// Statements that PostgreSQL keeps prepared: where it is ours alone, and nowhere else.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { Candidate } from '../../src/election/index.ts';
import { migratePostgres, postgresStore } from '../../src/stores/postgres.ts';
import { type PgPool, pgPool } from '../../src/stores/sql/pg.ts';
import { PreparedStatements } from '../../src/stores/sql/prepared.ts';
import { peer } from '../peers.ts';
import { startPgbouncer } from '../servers/pgbouncer.ts';
import { type PostgresqlServer, startPostgresql } from '../servers/postgresql.ts';
import { patience } from './sql-subject.ts';

const { path = '', missing } = peer('postgres');
const pooler = peer('pgbouncer');
const text = 'SELECT $1::text';

describe('A statement on PostgreSQL that comes again', { skip: missing ?? false }, () => {
  let server: PostgresqlServer;
  before(async () => {
    server = await startPostgresql(path);
    await migratePostgres({ url: server.url });
  }, patience);
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  async function connect(url: string): Promise<pg.Client> {
    const client = new pg.Client(url);
    client.on('error', () => {});
    await client.connect();
    return client;
  }

  /** By name and number of uses. */
  async function preparedOn(client: { query(text: string): Promise<pg.QueryResult> }) {
    const { rows } = await client.query(
      'SELECT name, (generic_plans + custom_plans)::int AS uses FROM pg_prepared_statements',
    );
    return rows as readonly { readonly name: string; readonly uses: number }[];
  }

  test(
    'is prepared once on a connection of our own, by a name that comes from its text',
    patience,
    async () => {
      const pool = new pg.Pool({ connectionString: server.url, max: 1 });
      const ours = pgPool(pool as unknown as PgPool, true);
      for (const value of ['a', 'b', 'c']) {
        const connection = await ours.connect();
        assert.deepEqual((await connection.query({ text, values: [value], recurs: true })).rows, [[value]]);
        await connection.query({ text: 'SELECT 1', values: [] });
        connection.release(false);
      }
      const prepared = await preparedOn(pool);
      assert.equal(prepared.length, 1);
      assert.match(prepared[0]?.name ?? '', /^conclave_[\da-f]{32}$/);
      assert.equal(prepared[0]?.uses, 3);
      await ours[Symbol.asyncDispose]();
    },
  );

  test("is not prepared on connections of a user's own pool", patience, async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    {
      await using store = postgresStore({ client: pool, listen: false });
      await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
      await session.renew();
    }
    assert.deepEqual(await preparedOn(pool), []);
    await pool.end();
  });

  test('goes on without its name where the server forgot it', patience, async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    const ours = pgPool(pool as unknown as PgPool, true);
    for (const value of ['a', 'b', 'c']) {
      const connection = await ours.connect();
      assert.deepEqual((await connection.query({ text, values: [value], recurs: true })).rows, [[value]]);
      connection.release(false);
      await pool.query('DEALLOCATE ALL');
    }
    await ours[Symbol.asyncDispose]();
  });

  test('fails with what it fails with, once, whether prepared or not', patience, async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    const ours = pgPool(pool as unknown as PgPool, true);
    const connection = await ours.connect();
    const dividing = { text: 'SELECT 1 / $1::int', values: ['0'], recurs: true };
    await assert.rejects(connection.query(dividing), { code: '22012' });
    assert.deepEqual((await connection.query({ ...dividing, values: ['1'] })).rows, [[1]]);
    connection.release(false);
    assert.equal((await preparedOn(pool)).length, 1);
    await ours[Symbol.asyncDispose]();
  });

  test('is not prepared behind a pooler that shares connections', {
    ...patience,
    skip: pooler.missing ?? false,
  }, async () => {
    await using between = await startPgbouncer(pooler.path ?? '', server.port);
    const straight = await connect(server.url);
    assert.notEqual(await new PreparedStatements().nameOn(straight, text), undefined);
    const shared = await connect(between.url);
    assert.equal(await new PreparedStatements().nameOn(shared, text), undefined);
    // Nor is anything set on connections that are not ours.
    const { rows } = await shared.query('SHOW enable_seqscan');
    assert.deepEqual(rows, [{ enable_seqscan: 'on' }]);
    await straight.end();

    await using store = postgresStore({ url: between.url, listen: false, pollMs: 20 });
    const candidates = ['first', 'second', 'third'].map(
      (holder) => new Candidate(store, 'shared', { holder }),
    );
    const tokens: number[] = [];
    for (let times = 0; times < 3; times++) {
      await Promise.all(
        candidates.map(async (candidate) => {
          const leadership = await candidate.campaign();
          tokens.push(leadership.token);
          await leadership.resign();
        }),
      );
    }
    assert.equal(tokens.length, 9);
    assert.deepEqual(
      [...new Set(tokens)],
      tokens.toSorted((left, right) => left - right),
    );
    for (const candidate of candidates) await candidate[Symbol.asyncDispose]();
    assert.deepEqual(await preparedOn(shared), []);
    await shared.end();
  });
});
