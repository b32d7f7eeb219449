// The examples of docs/stores/postgres.md and mysql.md, as they stand there, against real servers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { mysqlSchema } from '../../src/stores/mysql.ts';
import { postgresSchema } from '../../src/stores/postgres.ts';
import { Guide, guidePatience as patience } from '../guide.ts';
import { peer } from '../peers.ts';
import { startMariadb } from '../servers/mariadb.ts';
import { needsPassword, startPostgresql } from '../servers/postgresql.ts';
import type { SqlServer } from './sql-subject.ts';

const subjects = [
  {
    ...{ name: 'postgres', missing: peer('postgres').missing, schema: postgresSchema() },
    start: () => startPostgresql(peer('postgres').path ?? ''),
    others: ['clients.ts', 'pooled.ts', 'bound.ts'],
    // By its password, too.
    prepare: [`CREATE ROLE ${needsPassword}`],
    finish: [`GRANT ${needsPassword} TO worker`],
    tokens: { 'clients.ts': 2, 'pooled.ts': 1, 'bound.ts': 1 },
  },
  {
    ...{ name: 'mysql', missing: peer('mariadbd').missing, schema: mysqlSchema() },
    start: () => startMariadb(peer('mariadbd').path ?? ''),
    others: ['pool.ts'],
    prepare: [],
    finish: [],
    tokens: { 'pool.ts': 1 },
  },
] as const;

for (const { name, missing, schema, start, others, prepare, finish, tokens } of subjects) {
  describe(`the guide to the store on ${name}`, { skip: missing ?? false }, () => {
    const guide = new Guide(`../stores/${name}`);
    const text = readFileSync(join(import.meta.dirname, `../../docs/stores/${name}.md`), 'utf8');
    const statements = [...text.matchAll(/^```sql\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code);
    let server: SqlServer;
    let worker: string;

    before(async () => {
      server = await start();
      const url = new URL(server.url);
      [url.username, url.password] = ['worker', 'worker-secret'];
      worker = url.href;
      await guide.unpack();
    }, patience);
    after(async () => {
      await server?.[Symbol.asyncDispose]();
      await guide[Symbol.asyncDispose]();
    });

    const env = (url: string) => ({ env: { DATABASE_URL: url } });
    const tokensIn = (output: string) =>
      [...output.matchAll(/leading with token (\d+)/g)].map(([, token]) => Number(token));

    test('its examples type-check strictly', patience, () => guide.typeCheck());

    test('the SQL of the table is what the migration runs', () => {
      assert.equal(statements[0], `${schema.map((one) => `${one};\n`).join('\n')}`);
    });

    test('the table is made once, and what is granted is enough for the rest', patience, async () => {
      for (let times = 0; times < 2; times++)
        assert.equal(await guide.outputOf('migrate.ts', env(server.url)), 'the table is there\n');
      for (const one of [...prepare, ...(statements[1] ?? '').split(';'), ...finish])
        if (one.trim() !== '') await server.sql(one);
      let last = 0;
      for (const example of others) {
        const found = tokensIn(await guide.outputOf(example, env(worker)));
        assert.equal(found.length, (tokens as Readonly<Record<string, number>>)[example]);
        for (const token of found) {
          assert(token > last, `${token} came after ${last}`);
          last = token;
        }
      }
    });

    test('report.ts: one leads, the other takes over when it stops', patience, async () => {
      await using first = guide.start('report.ts', env(worker));
      await first.wrote(/leading with token \d+/, /working/);
      await using second = guide.start('report.ts', env(worker));
      first.signal('SIGINT');
      assert.equal(await first.ended, 0, first.output);
      await second.wrote(/leading with token \d+/);
      assert((tokensIn(second.output)[0] ?? 0) > (tokensIn(first.output)[0] ?? 0));
      second.signal('SIGINT');
      assert.equal(await second.ended, 0, second.output);
    });

    test('no example is left out', () => guide.assertAllRun());
  });
}
