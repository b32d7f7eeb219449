import { test } from 'node:test';
import { indexesInOrder } from './10-indexes-in-order.ts';
import { effects, entries, entry, handmadeLife, persist, snapshot, violates, watching } from './testing.ts';

test('entries handed out and applied in a row pass, and a snapshot takes the place of those in it', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(indexesInOrder, life);
  checker.memberStarted(ann.holds(...entries(1, 1, 1)));
  ann.raft.commitIndex = 2;
  checker.drained(ann, effects({ committed: entries(1, 1) }));
  for (const applied of entries(1, 1)) checker.applied(ann, applied, []);
  ann.raft.entries = [];
  Object.assign(ann.raft, { snapshotIndex: 9, commitIndex: 9, appliedIndex: 2 });
  checker.drained(ann, effects({ persist: persist([], snapshot(9, 1)) }));
  ann.keyspace.apply(9, new Uint8Array(0));
  checker.installed(ann, snapshot(9, 1));
  Object.assign(ann.durable, { snapshotIndex: 9, entries: [] });
  checker.durable(ann);
  ann.raft.entries = [entry(10, 1)];
  Object.assign(ann.raft, { commitIndex: 10, appliedIndex: 9 });
  checker.drained(ann, effects({ committed: [entry(10, 1)] }));
  checker.applied(ann, entry(10, 1), []);
});

test('a gap or a repetition in what is handed out or applied is found', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(indexesInOrder, life);
  checker.memberStarted(ann.holds(...entries(1, 1, 1)));
  ann.raft.commitIndex = 3;
  violates(
    () => checker.drained(ann, effects({ committed: [entry(2, 1)] })),
    /given entry 2 to apply after entry 0/,
  );
  checker.drained(ann, effects({ committed: entries(1, 1) }));
  violates(
    () => checker.drained(ann, effects({ committed: [entry(2, 1)] })),
    /given entry 2 to apply after entry 2/,
  );
  violates(() => checker.applied(ann, entry(2, 1), []), /ann applied entry 2 when it stood at 0/);
  checker.applied(ann, entry(1, 1), []);
  checker.applied(ann, entry(2, 1), []);
  violates(
    () => checker.applied(ann, entry(3, 1), []),
    /the applied entry, 3, is above what it was given to apply, 2/,
  );
});

test('indexes out of their order are found', () => {
  for (const [fields, words] of [
    [{ commitIndex: 4 }, /the commit index, 4, is above the end of the log, 3/],
    [{ commitIndex: 1, appliedIndex: 2 }, /the applied index, 2, is above the commit index, 1/],
    [{ commitIndex: 1, snapshotIndex: 2 }, /the end of what is compacted, 2, is above the commit index, 1/],
    [{ commitIndex: 3, snapshotIndex: 2 }, /the end of what is compacted, 2, is above the applied index, 0/],
    [{ commitIndex: 3, appliedIndex: 2 }, /the applied index, 2, is above the index of the keyspace, 0/],
  ] as const) {
    const { life, ann } = handmadeLife();
    const checker = watching(indexesInOrder, life);
    checker.memberStarted(ann.holds(...entries(1, 1, 1)));
    Object.assign(ann.raft, fields);
    violates(() => checker.drained(ann, effects({ persist: persist([]) })), words);
  }
});

test('a disk with a gap or an impossible order, and a start from another index than the log’s, are found', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(indexesInOrder, life);
  Object.assign(ann.durable, { snapshotIndex: 2, entries: [entry(4, 1)] });
  violates(() => checker.durable(ann), /snapshot up to 2 and a log up to 4, but no entry 3/);
  Object.assign(bob.durable, { commitIndex: 3, entries: entries(1, 1) });
  violates(() => checker.durable(bob), /the durable commit index, 3, is above the end of the durable log, 2/);
  cid.raft.snapshotIndex = 5;
  violates(
    () => checker.memberStarted(cid),
    /starts with a keyspace at index 0, but with a log that begins after 5/,
  );
});

test('a snapshot of more than was applied is found, but where another member had it before', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(indexesInOrder, life);
  for (const member of [ann, bob]) checker.memberStarted(member.holds(...entries(1, 1, 1)));
  Object.assign(ann.durable, { snapshotIndex: 2, entries: [entry(3, 1)] });
  violates(
    () => checker.durable(ann),
    /ann: the snapshot that it made, 2, is above the index of the keyspace, 0/,
  );
  Object.assign(bob.durable, { snapshotIndex: 2, entries: [entry(3, 1)] });
  checker.durable(bob);
});
