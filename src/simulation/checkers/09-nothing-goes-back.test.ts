import { test } from 'node:test';
import { nothingGoesBack } from './09-nothing-goes-back.ts';
import { effects, entries, entry, handmadeLife, persist, send, violates, watching } from './testing.ts';

test('terms, votes and indexes that only rise pass, across a crash too', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(nothingGoesBack, life);
  Object.assign(ann.durable, { term: 2, votedFor: 2, commitIndex: 4 });
  checker.durable(ann);
  send(checker, ann, bob, 'vote-response', 2, { granted: true });
  send(checker, ann, bob, 'vote-response', 2, { granted: true });
  send(checker, ann, cid, 'vote-response', 2);
  ann.life = 2;
  ann.raft.term = 2;
  ann.raft.commitIndex = 3;
  checker.memberStarted(ann);
  Object.assign(ann.durable, { term: 3, votedFor: 0 });
  checker.durable(ann);
  ann.durable.votedFor = 3;
  checker.durable(ann);
  send(checker, ann, cid, 'vote-response', 3, { granted: true });
  ann.raft.term = 3;
  ann.raft.commitIndex = 5;
  checker.drained(ann, effects({ persist: persist([]) }));
});

test('a snapshot file says what is committed before the log does', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(nothingGoesBack, life);
  Object.assign(ann.durable, { commitIndex: 9, snapshotIndex: 9 });
  checker.durable(ann);
  ann.durable.commitIndex = 7;
  checker.durable(ann);
});

test('a durable term, vote or commit index that goes back is found', () => {
  for (const [field, value, words] of [
    ['term', 1, /the durable term of ann fell from 2 to 1/],
    ['votedFor', 3, /ann had voted for bob in term 2, and now its disk says cid/],
    ['votedFor', 0, /ann had voted for bob in term 2, and now its disk says nobody/],
    ['commitIndex', 3, /the durable commitIndex of ann fell from 4 to 3/],
  ] as const) {
    const { life, ann } = handmadeLife();
    const checker = watching(nothingGoesBack, life);
    Object.assign(ann.durable, { term: 2, votedFor: 2, commitIndex: 4 });
    checker.durable(ann);
    Object.assign(ann.durable, { [field]: value });
    violates(() => checker.durable(ann), words);
  }
});

test('a member that starts in an older term than its disk had is found', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(nothingGoesBack, life);
  ann.durable.term = 6;
  checker.durable(ann);
  ann.raft.term = 5;
  violates(() => checker.memberStarted(ann), /the own term of ann fell from 6 to 5/);
});

test('a member that starts with less than its disk had committed, or its snapshot holds, is found', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(nothingGoesBack, life);
  ann.holds(...entries(1, 1, 1, 1));
  Object.assign(ann.durable, { commitIndex: 3, snapshotIndex: 2 });
  checker.durable(ann);
  Object.assign(ann.raft, { commitIndex: 2, appliedIndex: 2 });
  violates(() => checker.memberStarted(ann), /the own commitIndex of ann fell from 3 to 2/);
  Object.assign(ann.raft, { commitIndex: 3, appliedIndex: 1 });
  violates(() => checker.memberStarted(ann), /the own appliedIndex of ann fell from 2 to 1/);
  ann.raft.appliedIndex = 2;
  violates(() => checker.memberStarted(ann), /keyspaceIndex of ann fell from 2 to 0/);
});

test('a running member whose indexes go back is found', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(nothingGoesBack, life);
  checker.memberStarted(ann);
  ann.raft.commitIndex = 4;
  ann.raft.appliedIndex = 3;
  checker.drained(ann, effects({ persist: persist([]) }));
  ann.raft.appliedIndex = 2;
  violates(
    () => checker.drained(ann, effects({ persist: persist([]) })),
    /own appliedIndex of ann fell from 3 to 2/,
  );
  ann.raft.commitIndex = 3;
  violates(
    () => checker.drained(ann, effects({ persist: persist([]) })),
    /own commitIndex of ann fell from 4 to 3/,
  );
  checker.applied(ann, entry(3, 1), []);
  violates(() => checker.applied(ann, entry(2, 1), []), /keyspaceIndex of ann fell from 3 to 2/);
});

test('two votes in one term are found on the wire, in two lives too, but not across an empty disk', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(nothingGoesBack, life);
  send(checker, ann, bob, 'vote-response', 4, { granted: true });
  ann.life = 2;
  checker.memberStarted(ann);
  violates(
    () => send(checker, ann, cid, 'vote-response', 4, { granted: true }),
    /ann votes for cid in term 4, in which it has voted for bob/,
  );
  violates(
    () => send(checker, ann, cid, 'vote', 4),
    /ann votes for ann in term 4, in which it has voted for bob/,
  );
  checker.memberWiped(ann);
  send(checker, ann, cid, 'vote-response', 4, { granted: true });
});

test('an empty disk may begin anew', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(nothingGoesBack, life);
  ann.durable.term = 6;
  checker.durable(ann);
  ann.damaged = true;
  ann.durable.term = 0;
  checker.durable(ann);
  checker.memberWiped(ann);
  ann.durable.term = 2;
  checker.durable(ann);
  ann.durable.term = 1;
  violates(() => checker.durable(ann), /the durable term of ann fell from 2 to 1/);
});
