import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Durability } from './durability.ts';
import { RaftLog } from './log.ts';
import { entry } from './testing.ts';
import { InvariantViolation, type SnapshotMeta } from './types.ts';

const none = { term: 1, votedFor: 0, commitIndex: 0 };

function truncate(log: RaftLog, durability: Durability, index: number, term: number): void {
  log.truncateFrom(index);
  durability.truncated(index);
  log.append(entry(index, term));
}

test('a write that completes late vouches for nothing that replaced its entries', () => {
  const log = new RaftLog(undefined, []);
  const durability = new Durability(none, 0);
  for (const index of [1, 2, 3]) log.append(entry(index, 1));
  durability.request(none, log, 0);
  truncate(log, durability, 2, 2);
  log.append(entry(3, 2));
  const second = durability.request({ ...none, term: 2 }, log, 0);
  assert.deepEqual(
    second?.entries.map(({ index, term }) => [index, term]),
    [
      [2, 2],
      [3, 2],
    ],
  );
  durability.persisted(1, 0);
  assert.equal(durability.durableIndex, 1);
  durability.persisted(2, 0);
  assert.equal(durability.durableIndex, 3);
});

test('what was durable and then truncated is durable no more', () => {
  const log = new RaftLog(undefined, [entry(1, 1), entry(2, 1)]);
  const durability = new Durability(none, 2);
  truncate(log, durability, 2, 2);
  assert.equal(durability.durableIndex, 1);
});

test('a move of the commit index alone is not worth a write: it goes along with the next', () => {
  const log = new RaftLog(undefined, []);
  const durability = new Durability(none, 0);
  const moved = { ...none, commitIndex: 5 };
  assert.equal(durability.request(moved, log, 0), undefined);
  assert.equal(durability.isWriting, false);
  log.append(entry(1, 1));
  assert.equal(durability.wants(1, 0, 1), true);
  assert.deepEqual(durability.request(moved, log, 0), {
    persistId: 1,
    hardState: moved,
    snapshot: undefined,
    entries: [entry(1, 1)],
    mustSync: true,
  });
  assert.equal(durability.wants(1, 0, 1), false);
});

test('it is known how long the oldest write has been waiting, and how long the slowest took', () => {
  const log = new RaftLog(undefined, []);
  const durability = new Durability(none, 0);
  log.append(entry(1, 1));
  durability.request(none, log, 10);
  log.append(entry(2, 1));
  durability.request(none, log, 30);
  assert.equal(durability.waitingSinceMs, 10);
  assert.equal(durability.persisted(1, 35), 25);
  assert.equal(durability.waitingSinceMs, 30);
  durability.persisted(2, 35);
  assert.equal(durability.waitingSinceMs, Number.POSITIVE_INFINITY);
});

test('term and vote are durable together', () => {
  const durability = new Durability(none, 0);
  const log = new RaftLog(undefined, []);
  durability.request({ term: 2, votedFor: 3, commitIndex: 0 }, log, 0);
  assert.ok(!durability.isDurable(2, 3));
  durability.persisted(1, 0);
  assert.ok(durability.isDurable(2, 3));
  assert.ok(!durability.isDurable(2, 0));
});

test('a snapshot takes the place of a longer log that disagrees', () => {
  const meta: SnapshotMeta = { index: 2, term: 9, configuration: { voters: [1] } };
  const log = new RaftLog(
    undefined,
    [1, 2, 3, 4].map((index) => entry(index, 1)),
  );
  const durability = new Durability(none, 4);
  durability.installSnapshot(meta, 7, false, 1);
  log.restore(meta, false);
  assert.equal(durability.durableIndex, 1);
  assert.ok(durability.installing);
  assert.deepEqual(durability.request(none, log, 0)?.snapshot, { meta, from: 7, keepsLog: false });
  assert.ok(durability.installing);
  durability.persisted(1, 0);
  assert.ok(!durability.installing);
  assert.equal(durability.durableIndex, 2);
});

test('a write that was never asked for cannot have completed', () => {
  assert.throws(() => new Durability(none, 0).persisted(1, 0), InvariantViolation);
});
