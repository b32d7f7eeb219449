// What only a quarter of usual lives has: each kind of sharing in fixed lives of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SharingKind, sharingKinds } from '../../src/simulation/sharing/index.ts';
import { demandBlocks } from './blocks.ts';

const seeds = 4;
const patience = { timeout: 540_000 };

const behindGuards = ['guarded writes', 'guarded claims', 'stale writes refused by guards'];

/** What they must have shown between them. */
const shown: Readonly<Record<SharingKind, readonly string[]>> = {
  partitions: ['partition leaderships', 'partitions moved'],
  operations: ['operations run once', 'operations taken over', 'outcomes of operations told'],
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

for (const sharing of sharingKinds) {
  test(`every claim holds in fixed lives that share ${sharing}`, patience, async (context) => {
    const life = { sharing, faults: 'all', members: 3, clients: 2, candidates: 1, seconds: 20 } as const;
    const totals = await demandBlocks(context, [{ life, firstSeed: 101, seeds }]);
    assert.equal(totals.seeds, seeds);
    for (const what of shown[sharing]) assert.ok(totals.of(what) > 0, `no ${what} in the whole block`);
  });
}
