import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Conclave, isRunning, untilGone } from './cli.ts';

const patience = { timeout: 120_000 };

/** `conclave dev --json` with a folder of its own for temporary files. */
async function startDev(words: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-test-'));
  const dev = new Conclave(['dev', '--json', ...words], { environment: { TMPDIR: folder } });
  const pids = () =>
    [...dev.stdout.matchAll(/"(?:member|candidate)-started".*?"pid":(\d+)/g)].map((match) =>
      Number(match[1]),
    );
  return {
    ...{ dev, folder, pids },
    async [Symbol.asyncDispose]() {
      await dev[Symbol.asyncDispose]();
      await untilGone(pids());
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilEmpty(folder: string): Promise<void> {
  while ((await readdir(folder)).length > 0) await sleep(10);
}

test(
  'the script kills, pauses and heals, and finds one leader at a time and no stale write',
  patience,
  async () => {
    await using run = await startDev(['--script', '--ttl', '1s']);
    const code = await run.dev.ended;
    const events = run.dev.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; [field: string]: unknown });
    const verdict = events.at(-1);
    assert.equal(verdict?.type, 'verdict');
    assert.deepEqual(verdict?.violations, []);
    assert.equal(code, 0);
    const types = new Set(events.map((event) => event.type));
    for (const type of [
      'member-killed',
      'candidate-killed',
      'candidate-paused',
      'candidate-woken',
      'refused',
    ]) {
      assert.ok(types.has(type), type);
    }
    const refused = events.find((event) => event.type === 'refused' && event.stale === true);
    assert.ok(refused?.code === 'stale-token' || refused?.code === 'version-conflict');
    assert.deepEqual(run.pids().filter(isRunning), []);
    assert.deepEqual(await readdir(run.folder), []);
  },
);

test('interrupted, it leaves no process and no file behind', patience, async () => {
  await using run = await startDev([]);
  await run.dev.match('stdout', /"elected"/);
  run.dev.process.kill('SIGINT');
  assert.equal(await run.dev.ended, 0);
  assert.equal(run.pids().length, 6);
  assert.deepEqual(run.pids().filter(isRunning), []);
  assert.deepEqual(await readdir(run.folder), []);
});

test('killed, it takes all its processes with it, one that is stopped too', patience, async () => {
  await using run = await startDev(['--candidates', '2']);
  await run.dev.match('stdout', /"elected"/);
  process.kill(run.pids().at(-1) ?? 0, 'SIGSTOP');
  run.dev.process.kill('SIGKILL');
  await untilGone(run.pids());
  await untilEmpty(run.folder);
});

test('its options are checked before anything is started', async () => {
  for (const words of [
    ['--members', '2'],
    ['--ttl', '5'],
    ['--candidates', '0'],
    ['--script', '--members', '1'],
  ]) {
    await using dev = new Conclave(['dev', ...words]);
    assert.equal(await dev.ended, 100, words.join(' '));
  }
});
