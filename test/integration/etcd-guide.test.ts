// The examples of docs/guides/stores.md, as they stand there, against a real etcd.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readmeExamples } from '../packaging/examples.ts';
import { environment, Running } from '../packaging/project.ts';
import { peer } from '../peers.ts';
import { EtcdCluster } from './etcd-cluster.ts';

const root = join(import.meta.dirname, '../..');
const patience = { timeout: 120_000 };
const etcd = peer('etcd');
const etcdctl = peer('etcdctl');
const examples = readmeExamples(readFileSync(join(root, 'docs/guides/stores.md'), 'utf8'));
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

describe('the guide to stores', { skip: etcd.missing ?? etcdctl.missing ?? false }, () => {
  let folder: string;
  let cluster: EtcdCluster;
  const run = new Set<string>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conclave-guide-'));
    cluster = await EtcdCluster.start(etcd.path ?? '', 1, ['--bcrypt-cost=4']);
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    for (const { name, code } of examples) {
      const real = code.replaceAll('127.0.0.1:2379', cluster.endpoints[0] ?? '');
      await writeFile(join(folder, name), fromSources(real));
    }
  }, patience);
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  function start(name: string, more: Readonly<Record<string, string>> = {}): Running {
    run.add(name);
    const [command, ...words] = name.endsWith('.ts')
      ? [process.execPath, '--disable-warning=ExperimentalWarning', name]
      : ['bash', '-eu', name];
    return new Running(command as string, words, folder, { ...environment, ...more });
  }

  async function outputOf(name: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
    await using running = start(name, more);
    assert.equal(await running.ended, 0, running.output);
    return running.output;
  }

  function tokenIn(output: string): number {
    return Number(/leading with token (\d+)/.exec(output)?.[1]);
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

  test('report.ts: one leads, the other takes over when it stops', patience, async () => {
    await using first = start('report.ts');
    await first.wrote(/leading with token \d+/, /working/);
    await using second = start('report.ts');
    first.signal('SIGINT');
    assert.equal(await first.ended, 0, first.output);
    await second.wrote(/leading with token \d+/);
    assert(tokenIn(second.output) > tokenIn(first.output));
    second.signal('SIGINT');
    assert.equal(await second.ended, 0, second.output);
  });

  test('switch.ts: the transaction of the old leader is refused', patience, async () => {
    assert.equal(await outputOf('switch.ts'), 'the old leader was refused\n');
  });

  test('grant and login.ts: what is granted is enough, and without it nothing works', patience, async () => {
    const endpoint = { ETCDCTL_ENDPOINTS: cluster.endpoints.join(','), ETCDCTL_API: '3' };
    await outputOf('grant', endpoint);
    assert(tokenIn(await outputOf('login.ts', { ETCD_PASSWORD: 'worker-secret' })) > 0);
    await using refused = start('login.ts', { ETCD_PASSWORD: 'wrong' });
    assert.notEqual(await refused.ended, 0);
    assert.match(refused.output, /check user and password/);
  });

  test('no example is left out', () => {
    assert.deepEqual([...run].sort(), examples.map(({ name }) => name).sort());
  });
});
