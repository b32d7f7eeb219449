// The examples of docs/guides/fencing-stores.md, as they stand there, against a real cluster and real stores.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestCluster } from '../integration/cluster.ts';
import { readmeExamples } from '../packaging/examples.ts';
import { environment, Running } from '../packaging/project.ts';
import { mongodbMissing, startMongodb } from '../servers/mongodb.ts';
import { redisMissing, startRedis } from '../servers/redis.ts';
import { s3Missing, startS3 } from '../servers/s3.ts';

const root = join(import.meta.dirname, '../..');
const patience = { timeout: 120_000 };
const examples = readmeExamples(readFileSync(join(root, 'docs/guides/fencing-stores.md'), 'utf8'));
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

describe('the guide to fencing stores', () => {
  let folder: string;
  let cluster: TestCluster;
  const run = new Set<string>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conclave-guide-'));
    cluster = await TestCluster.start(1);
    const url = cluster.members[0]?.clientUrl ?? '';
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const { name, code } of examples) {
      await writeFile(join(folder, name), fromSources(code.replaceAll('http://127.0.0.1:2379', url)));
    }
  }, patience);
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
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
      ...{ module: 'nodenext', target: 'es2023', lib: ['es2024', 'dom'], types: ['node'], noEmit: true },
      ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true },
      ...{ allowImportingTsExtensions: true, noUncheckedIndexedAccess: true, moduleDetection: 'force' },
      typeRoots: [join(root, 'node_modules/@types')],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    await using running = new Running(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], folder, environment);
    assert.equal(await running.ended, 0, running.output);
  });

  test('the examples of S3', { ...patience, skip: s3Missing ?? false }, async () => {
    await using server = await startS3();
    const variables = {
      BUCKET: server.bucket,
      AWS_ENDPOINT_URL: server.url,
      AWS_REGION: process.env.AWS_REGION ?? 'us-east-1',
      AWS_ACCESS_KEY_ID: process.env.AWS_ACCESS_KEY_ID ?? 'test',
      AWS_SECRET_ACCESS_KEY: process.env.AWS_SECRET_ACCESS_KEY ?? 'test',
    };
    assert.match(await outputOf('s3-report.ts', variables), /^version 2, by token \d+$/m);
    assert.match(await outputOf('s3-report.ts', variables), /^version 4, by token \d+$/m);
    assert.match(await outputOf('s3-json.ts', variables), /"runs":1/);
    assert.match(await outputOf('s3-json.ts', variables), /"runs":2/);
  });

  test('the example of MongoDB', { ...patience, skip: mongodbMissing ?? false }, async () => {
    await using server = await startMongodb();
    const variables = { MONGODB_URL: server.url };
    const again = await outputOf('mongodb-report.ts', variables);
    assert.match(again, /^\d+ runs, last by token \d+\nsent$/m);
  });

  test('the example of Redis', { ...patience, skip: redisMissing ?? false }, async () => {
    await using server = await startRedis();
    const variables = { REDIS_URL: `redis://127.0.0.1:${server.port}` };
    assert.match(await outputOf('redis-report.ts', variables), /^report 1\n1 in the queue$/m);
    assert.match(await outputOf('redis-report.ts', variables), /^report 2\n2 in the queue$/m);
  });

  test('no example is left out', { skip: s3Missing ?? mongodbMissing ?? redisMissing ?? false }, () => {
    assert.deepEqual(
      examples.map(({ name }) => name).filter((name) => !run.has(name)),
      [],
    );
  });
});
