import { after, before, describe, test } from 'node:test';
import callbackMysql from 'mysql2';
import mysql from 'mysql2/promise';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { migrateMysql, mysqlStore } from '../../src/stores/mysql.ts';
import { peer } from '../peers.ts';
import { type MariadbServer, startMariadb } from '../servers/mariadb.ts';

const { path, missing } = peer('mariadbd');
const skip = missing ?? false;

function register(open: () => Promise<ConformanceTarget>): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 30_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

describe('The MySQL store conforms on MariaDB, by pools of promises and of callbacks at once', {
  concurrency: 8,
  skip,
}, () => {
  let server: MariadbServer;
  before(async () => {
    server = await startMariadb(path ?? '');
    await migrateMysql({ url: server.url });
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  register(async () => {
    const promises = mysql.createPool({ uri: server.url, connectionLimit: 4 });
    // As some set it: matched rows in place of changed ones, another time zone and another character set.
    const callbacks = callbackMysql.createPool({
      ...{ uri: server.url, connectionLimit: 4, charset: 'latin1_swedish_ci', timezone: '+05:00' },
      flags: ['-FOUND_ROWS'],
    });
    callbacks.on('connection', (connection) => void connection.query("SET time_zone = '+05:00'"));
    const { store, loseNextAnswer } = losingAnswers(mysqlStore({ client: promises, pollMs: 100 }));
    return {
      store,
      another: async () => mysqlStore({ client: callbacks, pollMs: 100 }),
      loseNextAnswer,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        await Promise.all([promises.end(), callbacks.promise().end()]);
      },
    };
  });
});
