import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLife } from '../life/life.ts';

test('members join, are promoted and leave in a life, which is the same whenever it is lived', async () => {
  const options = { seed: 1, faults: 'membership', members: 3, clients: 3, seconds: 15 } as const;
  const life = await runLife(options);
  assert.equal(life.failure, undefined);
  const { coverage } = life;
  const changes = ['members added', 'members removed', 'joint changes'].map((what) => coverage[what] ?? 0);
  assert.ok(changes.reduce((sum, count) => sum + count, 0) > 0, JSON.stringify(coverage));
  assert.equal((await runLife(options)).traceHash, life.traceHash);
});
