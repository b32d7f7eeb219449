import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showRace } from './race.ts';

for (const seed of [1, 2, 3]) {
  test(`the unfenced file takes a stale write and the fenced one refuses it, with seed ${seed}`, async () => {
    const { tokens, unfenced, fenced } = await showRace(seed);
    assert.ok(tokens[0] < tokens[1]);
    assert.equal(unfenced.staleWriteTaken, true);
    assert.equal(unfenced.written.token, tokens[1]);
    assert.equal(unfenced.found.token, tokens[0]);
    // Both had read the first write: one of theirs is lost.
    assert.equal(unfenced.found.count, 2);
    assert.equal(fenced.refusal?.code, 'stale-token');
    assert.equal(fenced.token, tokens[1]);
  });
}

test('the race is the same whenever it is run with one seed', async () => {
  const [one, other] = [await showRace(7), await showRace(7)];
  assert.equal(one.traceHash, other.traceHash);
  assert.deepEqual(one.timeline, other.timeline);
  assert.ok(one.timeline.length > 8);
});
