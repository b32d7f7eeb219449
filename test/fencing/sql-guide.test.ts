// The examples of docs/guides/fencing-sql.md, as they stand there, against real databases.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fenceSql as mysqlSql } from '../../src/fencing/sql/mysql.ts';
import { fenceSql as postgresSql } from '../../src/fencing/sql/postgres.ts';
import { fenceSql as sqliteSql } from '../../src/fencing/sql/sqlite.ts';
import { Guide, guidePatience as patience } from '../guide.ts';
import { peer } from '../peers.ts';
import { startMariadb } from '../servers/mariadb.ts';
import { startPostgresql } from '../servers/postgresql.ts';

const guide = new Guide('fencing-sql');
const text = readFileSync(join(import.meta.dirname, '../../docs/guides/fencing-sql.md'), 'utf8');
const [postgres, mariadb] = [peer('postgres'), peer('mariadbd')];

describe('the guide to fencing SQL databases', () => {
  before(() => guide.unpack(), patience);
  after(() => guide[Symbol.asyncDispose]());

  test('its examples type-check strictly', patience, () => guide.typeCheck());

  test('the bare SQL is what the code runs', () => {
    for (const { createTable, take } of [postgresSql(), mysqlSql(), sqliteSql()])
      for (const statement of [createTable, ...take]) assert(text.includes(`${statement};`), statement);
  });

  test('the example of SQLite', patience, async () => {
    const output = await guide.outputOf('sqlite-race.ts');
    assert.match(output, /^refused: .*has seen token 6; token 5 is refused/m);
    assert.match(output, /by_token: 6/);
  });

  test('the examples of PostgreSQL', { ...patience, skip: postgres.missing ?? false }, async () => {
    await using server = await startPostgresql(postgres.path ?? '');
    assert.match(
      await guide.outputOf('pg-payout.ts', { env: { DATABASE_URL: server.url } }),
      /^paid 1 with token \d+$/m,
    );
    assert.match(
      await guide.outputOf('postgres-payout.ts', { env: { DATABASE_URL: server.url } }),
      /^sent 1$/m,
    );
  });

  test('the example of MariaDB', { ...patience, skip: mariadb.missing ?? false }, async () => {
    await using server = await startMariadb(mariadb.path ?? '');
    assert.match(
      await guide.outputOf('mysql-payout.ts', { env: { DATABASE_URL: server.url } }),
      /^paid with token \d+$/m,
    );
  });

  test('every example was run', { skip: postgres.missing ?? mariadb.missing ?? false }, () =>
    guide.assertAllRun(),
  );
});
