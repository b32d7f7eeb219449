import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLife } from '../life/life.ts';
import type { SharingKind } from './index.ts';

const behindGuards = ['guarded writes', 'guarded claims', 'stale writes refused by guards'];

/** What a few lives of each kind must have shown. */
const shown: Readonly<Record<SharingKind, readonly string[]>> = {
  partitions: ['partition leaderships', 'partitions moved'],
  operations: ['operations run once', 'outcomes of operations told', 'operations taken over'],
  permits: ['permits taken', 'read-write locks taken'],
  log: ['log appends', 'gate passages', 'stale sharers refused'],
  objects: behindGuards,
  documents: behindGuards,
  keys: behindGuards,
  postgres: behindGuards,
  mysql: behindGuards,
  sqlite: behindGuards,
  requests: behindGuards,
};

/** So many lives, and more until all of it was seen. */
const [least, most] = [2, 12];

for (const [sharing, wanted] of Object.entries(shown) as [SharingKind, readonly string[]][]) {
  test(`processes that share ${sharing} keep all claims under all faults, and all of it takes place`, async () => {
    const sums = new Map<string, number>();
    const isShown = (): boolean => wanted.every((what) => (sums.get(what) ?? 0) > 0);
    for (let seed = 1; seed <= least || (seed <= most && !isShown()); seed++) {
      const { failure, coverage } = await runLife({ seed, sharing, clients: 2, candidates: 1, seconds: 10 });
      assert.equal(failure, undefined, JSON.stringify(failure));
      for (const [what, count] of Object.entries(coverage)) sums.set(what, (sums.get(what) ?? 0) + count);
    }
    for (const what of wanted) assert.ok((sums.get(what) ?? 0) > 0, `no ${what}`);
  });
}

test('a life that shares something is the same whenever it is run with one seed', async () => {
  const options = { seed: 3, sharing: 'partitions', clients: 1, candidates: 0, seconds: 5 } as const;
  const [one, other] = [await runLife(options), await runLife(options)];
  assert.equal(one.traceHash, other.traceHash);
});
