// The examples of docs/guides/partitions.md, as they stand there, against a real cluster.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { partitionRouter } from '../../src/partitions/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { TestCluster } from '../integration/cluster.ts';
import { readmeExamples } from '../packaging/examples.ts';
import { environment, Running } from '../packaging/project.ts';

const root = join(import.meta.dirname, '../..');
const patience = { timeout: 120_000 };
const examples = readmeExamples(readFileSync(join(root, 'docs/guides/partitions.md'), 'utf8'));
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

describe('the guide to partitions', () => {
  let folder: string;
  let cluster: TestCluster;
  let endpoint: string;
  const run = new Set<string>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conclave-guide-'));
    cluster = await TestCluster.start(1);
    endpoint = cluster.members[0]?.clientUrl ?? '';
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    for (const { name, code } of examples) {
      await writeFile(join(folder, name), fromSources(code.replaceAll('http://127.0.0.1:2379', endpoint)));
    }
  }, patience);
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  function start(name: string, ...words: string[]): Running {
    run.add(name);
    return new Running(process.execPath, [name, ...words], folder, environment);
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

  test(
    'two workers share the partitions, a router finds them, and one that stops hands over',
    patience,
    async () => {
      await using first = start('worker.ts', '8081');
      await using second = start('worker.ts', '8082');
      await using store = conclaveStore({ endpoints: [endpoint] });
      await using router = partitionRouter(store, 'orders');
      const settled = async (members: number) => {
        for (;;) {
          const status = await router.status();
          if (status.members.length === members && status.totals.led === 64) return status;
          await sleep(20);
        }
      };
      const { members } = await settled(2);
      for (const { leading } of members) assert(leading > 0 && leading <= 40, `${leading} of 64`);
      {
        await using asking = start('router.ts');
        assert.equal(await asking.ended, 0, asking.output);
        assert.match(asking.output, /^send it to http:\/\/127\.0\.0\.1:808[12]$/m);
        assert.match(asking.output, /^token \d+, from memory$/m);
        assert.match(asking.output, /^64 of 64 partitions are led by 2 members$/m);
      }
      first.signal('SIGTERM');
      assert.equal(await first.ended, 0, first.output);
      assert.match(first.output, /^drained \d+$/m);
      await settled(1);
      second.signal('SIGTERM');
      assert.equal(await second.ended, 0, second.output);
    },
  );

  test('each of them is run', () => {
    assert.deepEqual(
      examples.map(({ name }) => name).filter((name) => !run.has(name)),
      [],
    );
  });
});
