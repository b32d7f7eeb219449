// The race of a lease without fencing, under one seed: the unfenced file loses a write, the fenced one loses none.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { showRace } from '../../src/simulation/index.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');

for (const seed of [1, 2, 3, 4, 5]) {
  test(`with seed ${seed} the unfenced file takes the stale write and the fenced one refuses it`, async () => {
    const { unfenced, fenced, tokens } = await showRace(seed);
    assert.equal(unfenced.staleWriteTaken, true);
    assert.equal(unfenced.found.token, tokens[0]);
    assert.equal(fenced.refusal?.code, 'stale-token');
    assert.equal(fenced.token, tokens[1]);
  });
}

test('conclave simulate --race shows it, the same for the same seed', () => {
  const show = () =>
    execFileSync(process.execPath, [main, 'simulate', '--race', '--seed', '7'], { encoding: 'utf8' });
  const shown = show();
  assert.match(shown, /^ +[\d.]+ s +A +leads with token \d+$/m);
  assert.match(shown, /A +the fenced file refuses the write: /);
  assert.match(shown, /A +the unfenced file takes its write, over that of a later leader$/m);
  assert.match(shown, /^unfenced: .*lost/m);
  assert.match(shown, /^fenced: .*refused/m);
  assert.equal(show(), shown);
});
