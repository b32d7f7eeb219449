import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import postgres, { type Sql, type TransactionSql } from 'postgres';
import { fenced, fenceSql, migrate, takeFence } from '../../src/fencing/sql/postgres.ts';
import { peer } from '../peers.ts';
import { type PostgresqlServer, startPostgresql } from '../servers/postgresql.ts';
import { leader, offered } from './sql-leaders.ts';
import { startCommitProxy } from './sql-proxy.ts';
import { type Endpoint, type SqlSubject, testSqlGuard } from './sql-suite.ts';

const { path, missing } = peer('postgres');
let server: PostgresqlServer;

const urlOf = ({ host, port }: Endpoint) => `postgres://postgres@${host}:${port}/postgres`;

function newPool(at: Endpoint): pg.Pool {
  const pool = new pg.Pool({ connectionString: urlOf(at), max: 8 });
  pool.on('error', () => {});
  return pool;
}

const common = {
  endpoint: () => server,
  connectionId: 'SELECT pg_backend_pid() AS id',
  kill: (id: string) => `SELECT pg_terminate_backend(${id}, 10000)`,
  ...{ takeFence, migrate, fenceSql },
};

const byPg: SqlSubject<pg.Pool, pg.PoolClient> = {
  ...common,
  name: 'PostgreSQL by pg',
  open: newPool,
  close: (pool) => pool.end(),
  run: (tx, text) => tx.query(text),
  rows: async (on, text) => (await (on as pg.Pool).query(text)).rows,
  async inTransaction(pool, work) {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await work(client);
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  },
  async outsideTransaction(pool, work) {
    const client = await pool.connect();
    await work(client).finally(() => client.release());
  },
  fenced: (pool, leadership, work, options) => fenced(pool, leadership, work, options),
};

const byPostgres: SqlSubject<Sql, TransactionSql> = {
  ...common,
  name: 'PostgreSQL by postgres',
  open: (at) => postgres(urlOf(at), { max: 8, onnotice: () => {} }),
  close: (sql) => sql.end({ timeout: 5 }),
  run: async (tx, text) => await tx.unsafe(text),
  rows: async (on, text) => [...(await on.unsafe(text))],
  async inTransaction(sql, work) {
    await sql.begin(work);
  },
  outsideTransaction: (sql, work) => work(sql as unknown as TransactionSql),
  fenced: (sql, leadership, work, options) => fenced(sql, leadership, work, options),
};

describe('on PostgreSQL', { skip: missing ?? false }, () => {
  before(
    async () => {
      server = await startPostgresql(path ?? '');
      const pool = newPool(server);
      await pool.query(
        'CREATE TABLE journal (id bigserial PRIMARY KEY, list text NOT NULL, value text NOT NULL, touched int NOT NULL DEFAULT 0)',
      );
      await migrate(pool);
      await pool.end();
    },
    { timeout: 120_000 },
  );
  after(async () => await server?.[Symbol.asyncDispose]());

  testSqlGuard(byPg);
  testSqlGuard(byPostgres);

  const withClient = async (body: (client: pg.Client) => Promise<void>, port = server.port) => {
    const client = new pg.Client(urlOf({ host: server.host, port }));
    client.on('error', () => {});
    await client.connect();
    try {
      await body(client);
    } finally {
      await client.end();
    }
  };

  test('on one Client fenced transactions take turns, and one that is open is left alone', async () => {
    await withClient(async (client) => {
      const add = (value: string) =>
        fenced(client, leader(5), async (tx) => {
          await tx.query("INSERT INTO journal (list, value) VALUES ('client', $1)", [`${value}a`]);
          await tx.query("INSERT INTO journal (list, value) VALUES ('client', $1)", [`${value}b`]);
        });
      await Promise.all([add('1'), add('2')]);
      const { rows } = await client.query("SELECT value FROM journal WHERE list = 'client' ORDER BY id");
      assert.deepEqual(
        rows.map(({ value }) => value),
        ['1a', '1b', '2a', '2b'],
      );
      await client.query('BEGIN');
      await client.query("INSERT INTO journal (list, value) VALUES ('client', 'own')");
      await assert.rejects(add('3'), offered('failed-precondition', false));
      await client.query('COMMIT');
      const own = await client.query("SELECT 1 FROM journal WHERE list = 'client' AND value = 'own'");
      assert.equal(own.rowCount, 1);
    });
  });

  test('by one Client the fate of a lost commit cannot be looked up', async () => {
    await using proxy = await startCommitProxy(server);
    await withClient(async (client) => {
      proxy.lose = 'answer';
      const lost = fenced(client, leader(5), () => {}, { resource: 'lost' });
      await assert.rejects(lost, offered('unavailable', false, 'unknown'));
    }, proxy.port);
  });

  for (const { name, fenced, open, close, run } of [byPg, byPostgres] as unknown as SqlSubject<
    object,
    object
  >[]) {
    test(`${name}: work that hides the failure of a statement is not taken for committed`, async () => {
      const db = open(server);
      const hiding = fenced(db, leader(5), async (tx) => {
        await run(tx, "INSERT INTO journal (list, value) VALUES ('hiding', 'x')");
        await run(tx, 'SELECT 1 / 0').catch(() => {});
      });
      await assert.rejects(
        hiding,
        (error: Error) =>
          /division by zero/.test(error.message) || offered('failed-precondition', false)(error),
      );
      await close(db);
      await withClient(async (client) => {
        const { rowCount } = await client.query("SELECT 1 FROM journal WHERE list = 'hiding'");
        assert.equal(rowCount, 0);
      });
    });
  }

  test('a constraint that is checked at the commit refuses it for certain', async () => {
    const pool = newPool(server);
    await pool.query('CREATE TABLE deferred (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)');
    const twice = fenced(pool, leader(5), (tx) => tx.query('INSERT INTO deferred VALUES (1), (1)'));
    await assert.rejects(twice, offered('failed-precondition', false));
    await pool.end();
  });

  test('a lost commit is recognised behind one later transaction, and is unknown where it cannot be told', async () => {
    await using proxy = await startCommitProxy(server);
    const [through, direct] = [newPool({ host: '127.0.0.1', port: proxy.port }), newPool(server)];
    const lost = (lose: 'request' | 'answer', later: number) => {
      const resource = `${lose} lost, ${later} later`;
      let connections = 0;
      const pool = {
        totalCount: 1,
        query: () => assert.fail('must not be used'),
        async connect() {
          connections += 1;
          // The second is for the look.
          for (let count = 0; connections === 2 && count < later; count += 1)
            await fenced(direct, leader(5), () => {}, { resource });
          return await through.connect();
        },
      };
      return fenced(
        pool,
        leader(5),
        () => {
          proxy.lose = lose;
          return 'done';
        },
        { resource },
      );
    };
    for (const later of [0, 1]) assert.equal(await lost('answer', later), 'done');
    await assert.rejects(lost('request', 0), offered('unavailable', true));
    for (const lose of ['request', 'answer'] as const)
      await assert.rejects(lost(lose, 2), offered('unavailable', false, 'unknown'));
    await Promise.all([through.end(), direct.end()]);
  });

  test('a commit that the server is still at when the connection breaks is waited for, also of the first use', async () => {
    const [pool, observer] = [newPool(server), newPool(server)];
    const connected: pg.PoolClient[] = [];
    pool.on('connect', (client) => void connected.push(client));
    await observer.query(`CREATE TABLE slow (id int);
      CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END';
      CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait_at_commit()`);
    let settled = false;
    const someoneWaitsFor = async (event: string) => {
      for (;;) {
        const { rowCount } = await observer.query('SELECT 1 FROM pg_stat_activity WHERE wait_event = $1', [
          event,
        ]);
        if (settled || rowCount) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    await withClient(async (holder) => {
      await holder.query('SELECT pg_advisory_lock(42)');
      const work = async (tx: pg.PoolClient) => (await tx.query('INSERT INTO slow VALUES (1)')).rowCount;
      const lost = fenced(pool, leader(5), work, { resource: 'slow' });
      const settling = Promise.allSettled([lost]).then(() => {
        settled = true;
      });
      await someoneWaitsFor('advisory');
      for (const client of connected) {
        (
          client as unknown as { readonly connection: { readonly stream: Socket } }
        ).connection.stream.destroy();
      }
      await someoneWaitsFor('transactionid');
      await holder.query('SELECT pg_advisory_unlock(42)');
      await settling;
      assert.equal(await lost, 1);
    });
    assert.equal((await observer.query('SELECT 1 FROM slow')).rowCount, 1);
    await Promise.all([pool.end(), observer.end()]);
  });

  test('by postgres nested savepoints get a handle that ends with the transaction, too', async () => {
    const sql = postgres(server.url, { onnotice: () => {} });
    let kept: TransactionSql | undefined;
    await fenced(sql, leader(5), async (tx) => {
      await tx.savepoint(async (inner) => {
        kept = inner;
        await inner`INSERT INTO journal (list, value) VALUES ('nested', 'x')`;
      });
    });
    const inner = kept ?? assert.fail('the work has not run');
    assert.throws(() => inner`SELECT 1`, { code: 'closed' });
    assert.equal((await sql`SELECT 1 FROM journal WHERE list = 'nested'`).length, 1);
    await sql.end();
  });

  test("waiting for the fence under a statement_timeout of the user's is a timeout, to be tried again", async () => {
    await withClient(async (holder) => {
      await holder.query('BEGIN');
      await takeFence(holder, leader(5), { resource: 'bounded' });
      const expected = {
        code: 'timeout',
        retryable: true,
        outcome: 'not-applied',
        message: /wait for the fence/,
      };
      const work = () => assert.fail('it must not run');
      const options = { resource: 'bounded' };
      await withClient(async (client) => {
        // More than any statement takes that does not wait, also on a machine that is slow.
        await client.query('SET statement_timeout = 500');
        await assert.rejects(fenced(client, leader(6), work, options), expected);
        await client.query('BEGIN');
        await assert.rejects(takeFence(client, leader(6), options), expected);
        await client.query('ROLLBACK');
        const slow = fenced(client, leader(6), (tx) => tx.query('SELECT pg_sleep(60)'), {
          resource: 'other',
        });
        await assert.rejects(slow, { code: '57014' });
      });
      const connection = { statement_timeout: 500 };
      const sql = postgres(urlOf(server), { max: 1, onnotice: () => {}, connection });
      await assert.rejects(fenced(sql, leader(6), work, options), expected);
      await sql.end({ timeout: 5 });
      await holder.query('ROLLBACK');
    });
  });

  test('the settings of a fenced transaction end with it', async () => {
    await withClient(async (client) => {
      const show = async () => (await client.query('SHOW idle_in_transaction_session_timeout')).rows[0];
      const before = await show();
      await fenced(client, leader(5), () => {}, { idleTimeoutMs: 1234 });
      assert.deepEqual(await show(), before);
    });
  });
});
