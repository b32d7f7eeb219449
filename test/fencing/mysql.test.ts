import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import callbacks from 'mysql2';
import mysql, { type Connection, type Pool, type PoolConnection } from 'mysql2/promise';
import { fenced, fenceSql, migrate, takeFence } from '../../src/fencing/sql/mysql.ts';
import { peer } from '../peers.ts';
import { type MariadbServer, startMariadb } from '../servers/mariadb.ts';
import { leader, offered } from './sql-leaders.ts';
import { startCommitProxy } from './sql-proxy.ts';
import { type Endpoint, type SqlSubject, testSqlGuard } from './sql-suite.ts';

const { path, missing } = peer('mariadbd');
let server: MariadbServer;

const optionsOf = ({ host, port }: Endpoint) => ({
  host,
  port,
  user: 'root',
  database: 'test',
  connectionLimit: 8,
});
type Rows = readonly Record<string, unknown>[];
const rowsOf = async (on: Pool | Connection, text: string) => (await on.query(text))[0] as unknown as Rows;

const common = {
  endpoint: () => server,
  connectionId: 'SELECT connection_id() AS id',
  kill: (id: string) => `KILL ${id}`,
  run: (tx: PoolConnection, text: string) => tx.query(text),
  ...{ migrate, fenceSql, takeFence },
};

async function byHand(
  connection: PoolConnection,
  work: (tx: PoolConnection) => Promise<void>,
): Promise<void> {
  try {
    await connection.beginTransaction();
    await work(connection);
    await connection.commit();
  } catch (error) {
    await connection.rollback();
    throw error;
  } finally {
    connection.release();
  }
}

const byPromises: SqlSubject<Pool, PoolConnection> = {
  ...common,
  name: 'MariaDB by mysql2/promise',
  open: (at) => mysql.createPool(optionsOf(at)),
  close: (pool) => pool.end(),
  rows: rowsOf,
  inTransaction: async (pool, work) => await byHand(await pool.getConnection(), work),
  async outsideTransaction(pool, work) {
    const connection = await pool.getConnection();
    await work(connection).finally(() => connection.release());
  },
  fenced: (pool, leadership, work, options) => fenced(pool, leadership, work, options),
};

const byCallbacks: SqlSubject<callbacks.Pool, PoolConnection> = {
  ...common,
  name: 'MariaDB by mysql2 with callbacks',
  open: (at) => callbacks.createPool(optionsOf(at)),
  close: (pool) => pool.promise().end(),
  rows: (on, text) => rowsOf('getConnection' in on ? on.promise() : on, text),
  inTransaction: async (pool, work) => await byHand(await pool.promise().getConnection(), work),
  async outsideTransaction(pool, work) {
    const connection = await pool.promise().getConnection();
    await work(connection).finally(() => connection.release());
  },
  fenced: (pool, leadership, work, options) => fenced(pool, leadership, work, options),
};

describe('on MariaDB', { skip: missing ?? false }, () => {
  before(
    async () => {
      server = await startMariadb(path ?? '');
      const pool = mysql.createPool(optionsOf(server));
      await pool.query(
        'CREATE TABLE journal (id bigint AUTO_INCREMENT PRIMARY KEY, list varchar(200) NOT NULL, value varchar(200) NOT NULL, touched int NOT NULL DEFAULT 0) ENGINE = InnoDB',
      );
      await migrate(pool);
      await pool.end();
    },
    { timeout: 120_000 },
  );
  after(async () => await server?.[Symbol.asyncDispose]());

  testSqlGuard(byPromises);
  testSqlGuard(byCallbacks);

  const withConnection = async (body: (connection: Connection) => Promise<void>, port = server.port) => {
    const connection = await mysql.createConnection(optionsOf({ host: server.host, port }));
    connection.on('error', () => {});
    await body(connection).finally(() => connection.destroy());
  };
  const insert = (tx: Connection, value: string) =>
    tx.query("INSERT INTO journal (list, value) VALUES ('single', ?)", [value]);
  const valuesOf = async (connection: Connection) =>
    (await rowsOf(connection, "SELECT value FROM journal WHERE list = 'single' ORDER BY id")).map(
      ({ value }) => value,
    );

  test('on one connection fenced transactions take turns, one that is open is left alone, settings come back', async () => {
    await withConnection(async (connection) => {
      const settings = 'SELECT @@autocommit, @@wait_timeout, @@innodb_lock_wait_timeout';
      const before = await rowsOf(connection, settings);
      const add = (value: string) =>
        fenced(connection, leader(5), async (tx) => {
          await insert(tx, `${value}a`);
          await insert(tx, `${value}b`);
        });
      await Promise.all([add('1'), add('2')]);
      assert.deepEqual(await valuesOf(connection), ['1a', '1b', '2a', '2b']);
      assert.deepEqual(await rowsOf(connection, settings), before);
      await connection.beginTransaction();
      await insert(connection, 'own');
      await assert.rejects(add('3'), offered('failed-precondition', false));
      await connection.rollback();
      assert.deepEqual(await valuesOf(connection), ['1a', '1b', '2a', '2b']);
      assert.deepEqual(await rowsOf(connection, settings), before);
    });
  });

  test('by one connection the fate of a lost commit cannot be looked up', async () => {
    await using proxy = await startCommitProxy(server);
    await withConnection(async (connection) => {
      proxy.lose = 'answer';
      const lost = fenced(connection, leader(5), () => {}, { resource: 'lost' });
      await assert.rejects(lost, offered('unavailable', false, 'unknown'));
    }, proxy.port);
  });

  test('statements that commit by themselves are refused, and temporary tables are not', async () => {
    await withConnection(async (connection) => {
      await fenced(connection, leader(5), async (tx) => {
        for (const text of [
          'CREATE TABLE t (a int)',
          '/* x */ alter table journal ADD x int',
          'TRUNCATE journal',
        ])
          await assert.rejects(async () => tx.query(text), offered('failed-precondition', false));
        await assert.rejects(async () => tx.commit(), offered('failed-precondition', false));
        await tx.query('CREATE TEMPORARY TABLE scratch (a int)');
      });
    });
  });

  test('what the work does after its transaction has ended unnoticed is rolled back, and reported', async () => {
    await withConnection(async (connection) => {
      const before = await valuesOf(connection);
      const ended = fenced(connection, leader(5), async (tx) => {
        await insert(tx, 'before');
        await connection.query('CREATE TABLE behind_the_back (a int)');
        await insert(tx, 'unguarded');
      });
      await assert.rejects(ended, offered('failed-precondition', false, 'unknown'));
      assert.deepEqual(await valuesOf(connection), [...before, 'before']);
      const [autocommit] = await rowsOf(connection, 'SELECT @@autocommit AS value');
      assert.equal(autocommit?.value, 1);
    });
  });
});
