// The examples of docs/guides/fencing-sql.md, as they stand there, against real databases.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fenceSql as mysqlSql } from '../../src/fencing/sql/mysql.ts';
import { fenceSql as postgresSql } from '../../src/fencing/sql/postgres.ts';
import { fenceSql as sqliteSql } from '../../src/fencing/sql/sqlite.ts';
import { readmeExamples } from '../packaging/examples.ts';
import { environment, Running } from '../packaging/project.ts';
import { peer } from '../peers.ts';
import { startMariadb } from '../servers/mariadb.ts';
import { startPostgresql } from '../servers/postgresql.ts';

const root = join(import.meta.dirname, '../..');
const patience = { timeout: 120_000 };
const guide = readFileSync(join(root, 'docs/guides/fencing-sql.md'), 'utf8');
const examples = readmeExamples(guide);
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, { readonly default?: string }>>;
};
const [postgres, mariadb] = [peer('postgres'), peer('mariadbd')];

/** The sources, unbuilt, in place of what the package's exports name. */
function fromSources(code: string): string {
  return code.replace(/'conclave(\/[\w/]+)?'/g, (_text, path: string = '') => {
    const target = exports[`.${path}`]?.default;
    assert(target !== undefined, `conclave${path} is no export`);
    return `'${join(root, target).replace('/dist/', '/src/').replace(/\.js$/, '.ts')}'`;
  });
}

describe('the guide to fencing SQL databases', () => {
  let folder: string;
  const run = new Set<string>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conclave-guide-'));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const { name, code } of examples) await writeFile(join(folder, name), fromSources(code));
  });
  after(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  async function outputOf(name: string, variables: Readonly<Record<string, string>>): Promise<string> {
    run.add(name);
    const words = ['--disable-warning=ExperimentalWarning', name];
    await using running = new Running(process.execPath, words, folder, { ...environment, ...variables });
    assert.equal(await running.ended, 0, running.output);
    return running.output;
  }

  test('its examples type-check strictly', patience, async () => {
    const compilerOptions = {
      ...{ module: 'nodenext', target: 'es2023', lib: ['es2024'], types: ['node'], noEmit: true },
      ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true },
      ...{ allowImportingTsExtensions: true, noUncheckedIndexedAccess: true, moduleDetection: 'force' },
      typeRoots: [join(root, 'node_modules/@types')],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    await using running = new Running(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], folder, environment);
    assert.equal(await running.ended, 0, running.output);
  });

  test('the bare SQL is what the code runs', () => {
    for (const { createTable, take } of [postgresSql(), mysqlSql(), sqliteSql()])
      for (const statement of [createTable, ...take]) assert(guide.includes(`${statement};`), statement);
  });

  test('the example of SQLite', patience, async () => {
    const output = await outputOf('sqlite-race.ts', {});
    assert.match(output, /^refused: .*has seen token 6; token 5 is refused/m);
    assert.match(output, /by_token: 6/);
  });

  test('the examples of PostgreSQL', { ...patience, skip: postgres.missing ?? false }, async () => {
    await using server = await startPostgresql(postgres.path ?? '');
    assert.match(await outputOf('pg-payout.ts', { DATABASE_URL: server.url }), /^paid 1 with token \d+$/m);
    assert.match(await outputOf('postgres-payout.ts', { DATABASE_URL: server.url }), /^sent 1$/m);
  });

  test('the example of MariaDB', { ...patience, skip: mariadb.missing ?? false }, async () => {
    await using server = await startMariadb(mariadb.path ?? '');
    assert.match(await outputOf('mysql-payout.ts', { DATABASE_URL: server.url }), /^paid with token \d+$/m);
  });

  test('every example was run', { skip: postgres.missing ?? mariadb.missing ?? false }, () => {
    assert.deepEqual([...run].sort(), examples.map(({ name }) => name).sort());
  });
});
