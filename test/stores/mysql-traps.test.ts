// What can go wrong on MySQL and MariaDB, by how servers, tables and the user's connections are set.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import mysql from 'mysql2/promise';
import type { StoreSession } from '../../src/election/store.ts';
import { migrateMysql, mysqlStore } from '../../src/stores/mysql.ts';
import { peer } from '../peers.ts';
import { type MariadbServer, startMariadb } from '../servers/mariadb.ts';
import { said } from './checks.ts';
import { patience, refusal } from './sql-subject.ts';

const { path = '', missing } = peer('mariadbd');
const asked = { metadata: '', priority: 0 };
const pollMs = 100;

async function win(session: StoreSession, name: string): Promise<number> {
  const outcome = await session.acquire(name, asked);
  assert(outcome.status === 'acquired', `${session.holder} waits`);
  return outcome.token;
}

describe('On MariaDB', { skip: missing ?? false }, () => {
  let server: MariadbServer;
  before(async () => {
    server = await startMariadb(path);
    await migrateMysql({ url: server.url });
  }, patience);
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  /** `each`: statements that the user has every connection begin with. */
  const withPool = async (
    options: mysql.PoolOptions,
    each: readonly string[],
    body: (pool: mysql.Pool) => Promise<void>,
  ) => {
    const pool = mysql.createPool({ uri: server.url, connectionLimit: 4, ...options });
    pool.pool.on('connection', (connection) => {
      for (const text of each) connection.query(text);
    });
    try {
      await body(pool);
    } finally {
      await pool.end();
    }
  };

  test(
    'goes on when user and settings are put right, also on connections made meanwhile',
    patience,
    async () => {
      const user = `changing@'%'`;
      await server.sql(`CREATE USER ${user} IDENTIFIED BY 'one'`);
      await server.sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON conclave_documents TO ${user}`);
      const url = new URL(server.url);
      [url.username, url.password] = ['changing', 'one'];
      await using store = mysqlStore({ url: url.href });
      assert.equal(await said(store), 'answered');
      for (const [takes, gives, saying] of [
        [
          `ALTER USER ${user} PASSWORD EXPIRE`,
          `ALTER USER ${user} IDENTIFIED BY 'one'`,
          /check user and password.*SET PASSWORD/,
        ],
        [
          `ALTER USER ${user} ACCOUNT LOCK`,
          `ALTER USER ${user} ACCOUNT UNLOCK`,
          /check user and password.*locked/,
        ],
        ['SET GLOBAL autocommit = 0', 'SET GLOBAL autocommit = 1', /has autocommit off/],
      ] as const) {
        await server.sql(takes);
        await server.sql('KILL USER changing');
        while (!saying.test(await said(store)));
        await server.sql(gives);
        assert.equal(await said(store), 'answered');
      }
    },
  );

  for (const [what, flags] of [
    ['matched', ['FOUND_ROWS']],
    ['changed', ['-FOUND_ROWS']],
  ] as const) {
    test(
      `where connections count ${what} rows, one of many wins and an old token changes nothing`,
      patience,
      async () => {
        await withPool({ flags: [...flags] }, [], async (pool) => {
          await using store = mysqlStore({ client: pool, pollMs });
          const holders = Array.from({ length: 8 }, (_, at) => `h${at}`);
          const sessions = await Promise.all(
            holders.map((holder) => store.openSession({ ttlMs: 60_000, holder })),
          );
          const outcomes = await Promise.all(
            sessions.map((session) => session.acquire(`counting ${what}`, asked)),
          );
          const won = outcomes.findIndex(({ status }) => status === 'acquired');
          assert.equal(outcomes.filter(({ status }) => status === 'acquired').length, 1);
          assert.equal((await store.read(`counting ${what}`)).waiting.length, 7);
          const outcome = outcomes[won];
          assert(outcome?.status === 'acquired');
          // The same text twice over: a row that stays as it is must not pass for one that was not there.
          for (let times = 0; times < 2; times++) {
            assert.equal(await sessions[won]?.proclaim(`counting ${what}`, outcome.token, 'same'), true);
          }
          assert.equal(await sessions[won]?.release(`counting ${what}`, outcome.token), true);
          assert.equal(await sessions[won]?.proclaim(`counting ${what}`, outcome.token, 'late'), false);
        });
      },
    );
  }

  test('modes, character sets and isolation levels of connections are of no account', patience, async () => {
    const modes = ['NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT', ''];
    for (const [at, mode] of modes.entries()) {
      const each = [
        `SET SESSION sql_mode = '${mode}'`,
        "SET time_zone = '-11:00'",
        'SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE',
      ];
      const name = `modes ${at} 'quoted' \\ "Zürich" 🐘`;
      const metadata = `'; DROP TABLE x; -- \\' \\ 😀 ÿ`;
      await withPool({ charset: 'latin1_swedish_ci' }, each, async (pool) => {
        await using odd = mysqlStore({ client: pool, pollMs });
        await using plain = mysqlStore({ url: server.url, pollMs });
        await using session = await odd.openSession({ ttlMs: 60_000, holder: 'first' });
        const token = await win(session, name);
        assert.equal(await session.proclaim(name, token, metadata), true);
        const { leader } = await plain.read(name);
        assert.deepEqual(leader, { holder: 'first', token, metadata });
        assert.deepEqual((await odd.read(name)).leader, leader);
      });
    }
  });

  test(
    'connections without autocommit, which would commit nothing and read the past, are refused',
    patience,
    async () => {
      await withPool({}, ['SET autocommit = 0'], async (pool) => {
        await using store = mysqlStore({ client: pool, pollMs });
        await assert.rejects(store.read('x'), refusal('failed-precondition', /autocommit off/));
      });
    },
  );

  test(
    'a write on a connection that somebody left in a transaction is refused, and not made',
    patience,
    async () => {
      await withPool({ connectionLimit: 1 }, [], async (pool) => {
        await using store = mysqlStore({ client: pool, pollMs });
        await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
        const token = await win(session, 'left');
        const connection = await pool.getConnection();
        await connection.query('START TRANSACTION');
        connection.release();
        await assert.rejects(
          session.proclaim('left', token, 'within'),
          refusal('failed-precondition', /in a transaction/, true),
        );
        assert.equal((await store.read('left')).leader?.metadata, '');
        assert.equal(await session.proclaim('left', token, 'outside'), true);
        await using other = mysqlStore({ url: server.url, pollMs });
        assert.equal((await other.read('left')).leader?.metadata, 'outside');
      });
    },
  );

  test(
    'a read-only server is refused although its user may write; one that becomes so is a failover',
    patience,
    async () => {
      await using store = mysqlStore({ url: server.url, pollMs });
      await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
      const token = await win(session, 'demoted');
      await server.sql('SET GLOBAL read_only = 1');
      try {
        await using late = mysqlStore({ url: server.url, pollMs });
        await assert.rejects(
          late.read('x'),
          refusal('failed-precondition', /read_only is on.*connect to the primary/),
        );
        await assert.rejects(
          migrateMysql({ url: server.url }),
          refusal('failed-precondition', /read_only is on.*connect to the primary/),
        );
        await assert.rejects(store.read('demoted'), refusal('unavailable', /as after a failover/, true));
      } finally {
        await server.sql('SET GLOBAL read_only = 0');
      }
      assert.equal((await store.read('demoted')).leader?.token, token);
    },
  );

  test('a user who may not write on a read-only server hears of that', patience, async () => {
    await server.sql(`CREATE USER 'plain'@'%'`);
    await server.sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON conclave_documents TO 'plain'@'%'`);
    const url = server.url.replace('root@', 'plain@');
    await using store = mysqlStore({ url, pollMs });
    await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
    await server.sql('SET GLOBAL read_only = 1');
    try {
      await assert.rejects(session.renew(), refusal('unavailable', /as after a failover/, true));
    } finally {
      await server.sql('SET GLOBAL read_only = 0');
    }
    await session.renew();
  });

  test(
    'a table without the key, with names that differ by case as one, or of another engine is refused',
    patience,
    async () => {
      const columns =
        'text mediumtext, version varbinary(64), expires_at datetime(6), keep_until datetime(6)';
      const tables = {
        without_key: `(kind varbinary(16), name varbinary(1024), ${columns}) ENGINE = InnoDB`,
        without_case: `(kind varchar(16), name varchar(180), ${columns}, PRIMARY KEY (kind, name)) ENGINE = InnoDB`,
        without_log: `(kind varbinary(16), name varbinary(900), ${columns}, PRIMARY KEY (kind, name)) ENGINE = MyISAM`,
      };
      for (const [table, shape] of Object.entries(tables)) {
        await server.sql(`CREATE TABLE ${table} ${shape}`);
        const refused = refusal('data-incompatible', new RegExp(`${table} .* another key or engine`));
        await using store = mysqlStore({ url: server.url, table, pollMs });
        await assert.rejects(store.read('x'), refused);
        await assert.rejects(migrateMysql({ url: server.url, table }), refused);
        assert.deepEqual(await server.sql(`SELECT * FROM ${table}`), []);
      }
    },
  );

  test('connections that the server kills are replaced', patience, async () => {
    await withPool({}, [], async (pool) => {
      await using store = mysqlStore({ client: pool, pollMs });
      await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
      const token = await win(session, 'killed');
      const killing = await pool.query<mysql.RowDataPacket[]>(
        "SELECT id FROM information_schema.processlist WHERE command = 'Sleep' AND db = 'test'",
      );
      for (const { id } of killing[0]) await server.sql(`KILL ${id}`).catch(() => {});
      for (let tries = 0; ; tries++) {
        const told = await session.proclaim('killed', token, 'again').catch((error: unknown) => {
          assert(tries < 10, String(error));
          return false;
        });
        if (told) break;
      }
      assert.equal((await store.read('killed')).leader?.metadata, 'again');
    });
  });

  test('a table in another database is found by its full name', patience, async () => {
    await server.sql('CREATE DATABASE other_database');
    const options = { url: server.url, table: 'other_database.documents', pollMs };
    await migrateMysql({ url: server.url, table: options.table });
    await using store = mysqlStore(options);
    await using session = await store.openSession({ ttlMs: 60_000, holder: 'first' });
    await win(session, 'elsewhere');
  });
});
