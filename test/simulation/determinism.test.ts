// One seed decides everything: whatever ran before in the process, in whichever process or thread.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { type LifeOptions, LifePool, type LifeResult, runLife } from '../../src/simulation/index.ts';

const patience = { timeout: 300_000 };
const lives: readonly LifeOptions[] = [
  { seed: 11, faults: 'all', members: 3, seconds: 10 },
  { seed: 12, faults: 'all', members: 5, seconds: 5 },
];

/** All that a life has to show, but for the lines that are kept for people. */
function shownBy({ lines: _lines, ...result }: LifeResult): string {
  return JSON.stringify(result);
}

for (const life of lives) {
  const { seed, members } = life;
  test(`seed ${seed} with ${members} members is one life, however it is lived`, patience, async () => {
    const first = await runLife(life);
    assert.equal(first.failure, undefined);
    assert.match(first.traceHash, /^[0-9a-f]{16}$/);
    assert.ok(first.steps > 1000);
    const again = await runLife({ ...life, keepTrace: true });
    assert.equal(shownBy(again), shownBy(first), 'in the same process, with its lines kept');
    await using pool = new LifePool({ jobs: 1 });
    assert.equal(shownBy(await pool.run(life)), shownBy(first), 'in a thread');
    assert.equal(inAnotherProcess(life), first.traceHash, 'in another process');
  });
}

test('another seed is another life', patience, async () => {
  const hashes = await Promise.all(
    [1, 2].map(async (seed) => (await runLife({ seed, seconds: 1 })).traceHash),
  );
  assert.notEqual(hashes[0], hashes[1]);
});

function inAnotherProcess(life: LifeOptions): string {
  const simulation = new URL('../../src/simulation/index.ts', import.meta.url).href;
  const code =
    `const { runLife } = await import(${JSON.stringify(simulation)});` +
    `process.stdout.write((await runLife(${JSON.stringify(life)})).traceHash);`;
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8' });
}
