// The same seed is the same life on every Node.js that the machine has, not only on the one that runs the tests. Others
// run what is published, which is built, since not all of them take the source as it is.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { LifeOptions } from '../../src/simulation/index.ts';

const root = join(import.meta.dirname, '../..');
const patience = { timeout: 540_000 };
const lives: readonly LifeOptions[] = [
  { seed: 21, faults: 'all', members: 3, seconds: 5 },
  { seed: 22, faults: 'all', members: 3, seconds: 5, sharing: 'permits' },
];
const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const least: readonly number[] = /(\d+)(?:\.(\d+))?/.exec(engines.node)?.slice(1).map(Number) ?? [];

/** Each once: those on the path, where version managers and .ci/run put them, and those that CONCLAVE_NODES names. */
function programs(): string[] {
  const { PATH = '', HOME = '', CONCLAVE_NODES = '' } = process.env;
  const found = [
    ...PATH.split(delimiter).map((folder) => join(folder, 'node')),
    ...globSync(`${HOME}/.nvm/versions/node/*/bin/node`),
    ...globSync('/opt/hostedtoolcache/node/*/*/bin/node'),
    ...globSync(join(root, '.peers/node-*/node_modules/node/bin/node')),
    ...CONCLAVE_NODES.split(delimiter),
  ];
  return [
    ...new Set(found.filter((path) => path !== '' && existsSync(path)).map((path) => realpathSync(path))),
  ];
}

function versionOf(program: string): string {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}

function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = least;
  return major > leastMajor || (major === leastMajor && minor >= (leastMinor || 0));
}

/** The trace hashes of the lives, as this program has them from this file. */
function hashesBy(program: string, file: string): string[] {
  const code =
    `const { runLife } = await import(${JSON.stringify(pathToFileURL(file).href)});` +
    `for (const life of ${JSON.stringify(lives)}) console.log((await runLife(life)).traceHash);`;
  return execFileSync(program, ['--input-type=module', '--eval', code], { encoding: 'utf8' })
    .trim()
    .split('\n');
}

function build(folder: string): string {
  const args = ['-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist'), '--noCheck'];
  execFileSync(join(root, 'node_modules/.bin/tsc'), args, { stdio: 'inherit' });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  return join(folder, 'dist/simulation/index.js');
}

const versions = new Map<string, string>();
for (const program of programs()) {
  const version = versionOf(program);
  if (version !== '' && version !== process.version && !versions.has(version)) versions.set(version, program);
}
const others = [...versions].filter(([version]) => isSupported(version));
const lacking = `no supported Node.js but ${process.version} here: name the paths of others in CONCLAVE_NODES`;

test('a life is the same on every supported Node.js, from the source and from what is published', {
  ...patience,
  skip: others.length > 0 ? false : lacking,
}, async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-node-versions-'));
  try {
    const ours = hashesBy(process.execPath, join(root, 'src/simulation/index.ts'));
    assert.equal(ours.length, lives.length);
    const built = build(folder);
    for (const [version, program] of others) {
      await context.test(`Node.js ${version}`, () => assert.deepEqual(hashesBy(program, built), ours));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
