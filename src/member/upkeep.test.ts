import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { type Command, Keyspace } from '../keyspace/index.ts';
import type { Member } from './member.ts';
import { ManualCluster } from './testing.ts';

const flags = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
const key = Uint8Array.of(1);

/** More than one entry drops by the way. */
const versions = 20_000;

async function overwritten(cluster: ManualCluster): Promise<Member> {
  const member = cluster.member(await cluster.leader());
  const put: Command = { type: 'put', request: { ...flags, key, value: new Uint8Array(10) } };
  for (let written = 0; written < versions; written += 1000)
    await cluster.settled(Promise.all(Array.from({ length: 1000 }, () => member.propose(put))));
  await cluster.settled(member.propose({ type: 'compact', revision: member.keyspace.revision }));
  return member;
}

test('what was compacted is out of memory when that was waited for', async (context) => {
  const cluster = await ManualCluster.start(1);
  context.after(() => cluster.stop());
  const member = await overwritten(cluster);
  const before = member.keyspace.sizeBytes;
  await cluster.settled(member.upkeep.finishCompaction());
  assert.ok(
    member.keyspace.sizeBytes < before / 10,
    `${member.keyspace.sizeBytes} of ${before} bytes are left`,
  );
});

test('who no longer waits for a compaction is let go', async (context) => {
  const cluster = await ManualCluster.start(1);
  context.after(() => cluster.stop());
  const member = await overwritten(cluster);
  const gone = member.upkeep.finishCompaction(AbortSignal.abort());
  await assert.rejects(cluster.settled(gone), (error) => ConclaveError.is(error, 'aborted'));
});

test('many who wait for a compaction take one step at a time together', async (context) => {
  const cluster = await ManualCluster.start(1);
  context.after(() => cluster.stop());
  const member = await overwritten(cluster);
  const { tidy } = Keyspace.prototype;
  context.after(() => {
    Keyspace.prototype.tidy = tidy;
  });
  let steps = 0;
  Keyspace.prototype.tidy = function (this: Keyspace) {
    steps += 1;
    return tidy.call(this);
  };
  const waiting = Array.from({ length: 50 }, () => member.upkeep.finishCompaction());
  assert.equal(steps, 1);
  await cluster.settled(Promise.all(waiting));
  assert.ok(steps > 1);
});
