// The examples of docs/guides/locks.md, as they stand there, against a real cluster.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readmeExamples } from '../packaging/examples.ts';
import { environment, Running } from '../packaging/project.ts';
import { TestCluster } from './cluster.ts';

const root = join(import.meta.dirname, '../..');
const patience = { timeout: 120_000 };
const examples = readmeExamples(readFileSync(join(root, 'docs/guides/locks.md'), 'utf8'));
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, { readonly default?: string }>>;
};

/** The sources, unbuilt, in place of what the package's exports name. */
function fromSources(code: string): string {
  return code.replace(/'conclave(\/[\w/]+)?'/g, (_text, path: string = '') => {
    const target = exports[`.${path}`]?.default;
    assert(target !== undefined, `conclave${path} is no export`);
    return `'${join(root, target).replace('/dist/', '/src/').replace(/\.js$/, '.ts')}'`;
  });
}

describe('the guide to locks', () => {
  let folder: string;
  let cluster: TestCluster;
  const run = new Set<string>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conclave-guide-'));
    cluster = await TestCluster.start(1);
    const address = cluster.members[0]?.clientUrl ?? '';
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    for (const { name, code } of examples)
      await writeFile(join(folder, name), fromSources(code.replaceAll('http://127.0.0.1:2379', address)));
  }, patience);
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  async function linesOf(name: string): Promise<string[]> {
    run.add(name);
    await using running = new Running(process.execPath, [name], folder, environment);
    assert.equal(await running.ended, 0, running.output);
    return running.output.trim().split('\n');
  }

  test('its examples type-check strictly', patience, async () => {
    const compilerOptions = {
      ...{ module: 'nodenext', target: 'es2023', lib: ['es2023', 'esnext.disposable'], types: ['node'] },
      ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true, noEmit: true },
      ...{ allowImportingTsExtensions: true, noUncheckedIndexedAccess: true, moduleDetection: 'force' },
      typeRoots: [join(root, 'node_modules/@types')],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    await using running = new Running(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], folder, environment);
    assert.equal(await running.ended, 0, running.output);
  });

  test('migrate.ts: one process at a time, the other after it with a higher token', patience, async () => {
    const both = await Promise.all([linesOf('migrate.ts'), linesOf('migrate.ts')]);
    const tokens = both.map(([first]) => Number(/^migrating with token (\d+)$/.exec(first ?? '')?.[1]));
    assert.notEqual(tokens[0], tokens[1]);
    for (const lines of both) assert.deepEqual(lines.slice(1), ['step 1', 'step 2', 'step 3', '42 rows']);
  });

  test('exports.ts: at most two jobs at a time, with rising tokens', patience, async () => {
    const lines = await linesOf('exports.ts');
    const found = lines.slice(0, 5).map((line) => /permit ([01]), token (\d+); ([12]) running$/.exec(line));
    assert(found.every(Boolean), lines.join('\n'));
    const tokens = found.map((match) => Number(match?.[2]));
    assert.deepEqual(
      tokens,
      [...tokens].sort((left, right) => left - right),
    );
    assert.equal(lines.at(-1), 'all done');
  });

  test('catalogue.ts: nobody reads while one writes', patience, async () => {
    const lines = await linesOf('catalogue.ts');
    assert.match(lines[0] ?? '', /^writing with token \d+, 0 readers$/);
    assert.match(lines[1] ?? '', /^writing with token \d+, 0 readers$/);
    assert.equal(lines[2], 'all done');
  });

  test('first.ts: the small one gives way, and gets it back by name', patience, async () => {
    const lines = await linesOf('first.ts');
    const said = lines.map((line) => line.replace(/ with token \d+$/, ''));
    assert.deepEqual(said.slice(0, 3), ['small leads', 'small stops', 'big leads']);
    assert(said.includes('big: handed-off'), lines.join('\n'));
    const tokens = lines.flatMap((line) => /token (\d+)$/.exec(line)?.[1] ?? []).map(Number);
    assert.deepEqual(
      tokens,
      [...tokens].sort((left, right) => left - right),
    );
  });

  test('each of them is run', () => {
    assert.deepEqual(
      examples.filter(({ name }) => !run.has(name)).map(({ name }) => name),
      [],
    );
  });
});
