import { before, describe } from 'node:test';
import callbackMysql from 'mysql2';
import mysql from 'mysql2/promise';
import { migrateMysql, mysqlDriver, mysqlSchema, mysqlStore } from '../../src/stores/mysql.ts';
import { peer } from '../peers.ts';
import { startMariadb } from '../servers/mariadb.ts';
import { register } from './register.ts';
import { patience, type SqlStoreSubject, type UserClient } from './sql-subject.ts';
import { testSqlStore } from './sql-suite.ts';

const { path = '', missing } = peer('mariadbd');

function byPromises(url: string): UserClient {
  let sent = 0;
  const pool = mysql.createPool({ uri: url, connectionLimit: 4 });
  pool.on('acquire', () => {
    sent += 1;
  });
  return { client: pool, requests: () => sent, close: () => pool.end() };
}

/** As some set it: matched rows in place of changed ones, another time zone and another character set. */
function byCallbacks(url: string): UserClient {
  let sent = 0;
  const pool = callbackMysql.createPool({
    ...{ uri: url, connectionLimit: 4, charset: 'latin1_swedish_ci', timezone: '+05:00' },
    flags: ['-FOUND_ROWS'],
  });
  pool.on('connection', (connection) => void connection.query("SET time_zone = '+05:00'"));
  pool.on('acquire', () => {
    sent += 1;
  });
  return { client: pool, requests: () => sent, close: () => pool.promise().end() };
}

const subject: SqlStoreSubject = {
  name: 'MySQL on MariaDB',
  ...{ module: 'mysql', storeName: 'mysqlStore', migrationName: 'migrateMysql' },
  drivers: ['mysql2'],
  start: () => startMariadb(path),
  store: (options) => mysqlStore({ pollMs: 100, ...(options as Parameters<typeof mysqlStore>[0]) }),
  driver: (options) => mysqlDriver(options as Parameters<typeof mysqlDriver>[0]),
  migrate: (options) => migrateMysql(options as Parameters<typeof migrateMysql>[0]),
  schema: mysqlSchema,
  clients: (url) => [byPromises(url), byCallbacks(url)],
  makeUser: (user, password) => [
    `CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`,
    `CREATE TABLE IF NOT EXISTS anything (id int)`,
    // To be let into the database at all.
    `GRANT SELECT ON anything TO '${user}'@'%'`,
  ],
  grant: (table, user, rights) => `GRANT ${rights} ON ${table} TO '${user}'@'%'`,
  past: 'UTC_TIMESTAMP(6) - INTERVAL 1 HOUR',
  future: 'UTC_TIMESTAMP(6) + INTERVAL 1 HOUR',
};

testSqlStore(subject, missing ?? false);

/** MySQL itself, where one is given by its URL. */
const url = process.env.CONCLAVE_TEST_MYSQL_URL ?? '';
describe('The MySQL store conforms on MySQL', {
  concurrency: 4,
  skip: url === '' ? 'CONCLAVE_TEST_MYSQL_URL names no MySQL' : false,
}, () => {
  before(() => migrateMysql({ url }), patience);
  register(async () => {
    const store = mysqlStore({ url, pollMs: 100 });
    return {
      store,
      another: async () => mysqlStore({ url, pollMs: 100 }),
      driver: () => mysqlDriver({ url }),
      [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
    };
  });
});
