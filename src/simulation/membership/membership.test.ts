import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLife } from '../life/life.ts';

test('members join and leave in lives, which are the same whenever they are lived', async () => {
  const changes = { 'members added': 0, 'members removed': 0, 'joint changes': 0 };
  const live = (seed: number) => runLife({ seed, faults: 'membership', members: 3, clients: 3, seconds: 15 });
  // In some of them nothing comes of what is asked for.
  for (const seed of [1, 2, 3, 4]) {
    const { failure, coverage } = await live(seed);
    assert.equal(failure, undefined);
    for (const what of Object.keys(changes) as (keyof typeof changes)[]) changes[what] += coverage[what] ?? 0;
  }
  assert.ok(changes['members added'] > 0, JSON.stringify(changes));
  assert.ok(changes['members removed'] + changes['joint changes'] > 0, JSON.stringify(changes));
  assert.equal((await live(4)).traceHash, (await live(4)).traceHash);
});
