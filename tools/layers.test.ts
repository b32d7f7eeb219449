import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findViolations } from './layers.ts';

const root = join(import.meta.dirname, '..');
const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name);

/** Fixtures are closed to the ordinary check, so Biome sees a copy that looks like a project of its own. */
function lint(name: string): { status: number | null; output: string } {
  const copy = mkdtempSync(join(tmpdir(), 'layers-'));
  try {
    cpSync(fixture(name), copy, { recursive: true });
    cpSync(join(root, 'biome.json'), join(copy, 'biome.json'));
    const command = [
      'lint',
      '--max-diagnostics=100',
      '--reporter=github',
      '--vcs-enabled=false',
      '--error-on-warnings',
      '.',
    ];
    const result = spawnSync(join(root, 'node_modules/.bin/biome'), command, { cwd: copy, encoding: 'utf8' });
    return { status: result.status, output: (result.stdout + result.stderr).replaceAll(`${copy}/`, '') };
  } finally {
    rmSync(copy, { recursive: true });
  }
}

test('sources that keep the rules pass', () => {
  assert.deepEqual(findViolations(fixture('good')), []);
  const { status, output } = lint('good');
  assert.equal(status, 0, output);
});

test('each import across the layers is found, with its line', () => {
  assert.deepEqual(findViolations(fixture('bad')), [
    "src/api/server.ts:1: '@grpc/grpc-js' belongs in grpc*.ts of src/client and src/api",
    "src/api/server.ts:2: '../../../elsewhere.ts' leads out of src",
    'src/election/candidate.ts:3: src/election may not import src/stores/memory',
    "src/member/server.ts:1: 'node:net' is for src/runtime and src/cli alone",
    'src/member/server.ts:2: src/member may not import src/api/server',
    'src/member/server.ts:7: Math.random is for src/runtime alone; take it from the Runtime that is passed in',
    "src/raft/core.ts:1: src/raft imports nothing from outside, but here 'node:fs'",
    'src/raft/core.ts:2: src/raft may not import src/member/server',
    "src/wire/codec.ts:1: src/wire imports nothing else from outside, but here 'protobufjs'",
  ]);
});

test('clocks and timers outside runtime are found', () => {
  const { status, output } = lint('bad');
  assert.equal(status, 1, output);
  const found = [
    ...output.matchAll(
      /file=(\S+?),line=(\d+).*?noRestrictedGlobals|noRestrictedGlobals.*?file=(\S+?),line=(\d+)/g,
    ),
  ];
  const places = found.map((match) => `${match[1] ?? match[3]}:${match[2] ?? match[4]}`).sort();
  assert.deepEqual(places, [
    'src/election/candidate.ts:2',
    'src/member/server.ts:6',
    'src/member/server.ts:7',
    'src/member/server.ts:7',
  ]);
});

test('the command fails on broken rules and passes without', () => {
  const run = (name: string) =>
    spawnSync(process.execPath, [join(import.meta.dirname, 'layers.ts'), fixture(name)], {
      encoding: 'utf8',
    });
  assert.equal(run('good').status, 0);
  assert.equal(run('bad').status, 1);
});
