// The examples of docs/guides/fencing.md, as they stand there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readmeExamples } from '../packaging/examples.ts';
import { environment, Running } from '../packaging/project.ts';

const root = join(import.meta.dirname, '../..');
const patience = { timeout: 120_000 };
const examples = readmeExamples(readFileSync(join(root, 'docs/guides/fencing.md'), 'utf8'));
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

const outputs: Readonly<Record<string, string>> = {
  'lease-alone.ts': '100 - 30 - 10 = 90\n',
  'file.ts': 'A is refused\n100 - 30 - 10 = 60\n',
  'txn.ts': 'not committed\n',
  'log.ts': '1 5 deposit 100\n2 6 withdraw 30\n',
  'http.ts': 'done with token 6\n412\n',
  'frameworks.ts': 'mounted\n',
  'gate.ts': 'the door opens\nthe door stays as it is\n',
};

describe('the guide to fencing', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conclave-guide-'));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const { name, code } of examples) await writeFile(join(folder, name), fromSources(code));
  }, patience);
  after(async () => await rm(folder, { recursive: true, force: true }));

  test('its examples type-check strictly', patience, async () => {
    const compilerOptions = {
      ...{ module: 'nodenext', target: 'es2023', lib: ['es2024', 'esnext.disposable'], types: ['node'] },
      ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true, noEmit: true },
      ...{ allowImportingTsExtensions: true, noUncheckedIndexedAccess: true, moduleDetection: 'force' },
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    await using running = new Running(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], folder, environment);
    assert.equal(await running.ended, 0, running.output);
  });

  for (const { name } of examples) {
    test(`${name}: it writes what the guide says`, patience, async () => {
      const args = ['--disable-warning=ExperimentalWarning', name];
      await using running = new Running(process.execPath, args, folder, environment);
      assert.equal(await running.ended, 0, running.output);
      assert.equal(running.output, outputs[name]);
    });
  }

  test('no example is missing', () => {
    assert.deepEqual(examples.map(({ name }) => name).sort(), Object.keys(outputs).sort());
  });
});
