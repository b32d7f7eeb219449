import { test } from 'node:test';
import { leaderAppendOnly } from './02-leader-append-only.ts';
import {
  effects,
  entries,
  entry,
  handmadeLife,
  lead,
  persist,
  snapshot,
  violates,
  watching,
} from './testing.ts';

test('a leader appends, compacts, and may truncate as soon as it follows again', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(leaderAppendOnly, life);
  ann.holds(...entries(1, 1, 2));
  lead(checker, ann, 2);
  ann.raft.entries = entries(1, 1, 2, 2);
  checker.drained(ann, effects({ persist: persist([entry(4, 2)]) }));
  ann.raft.snapshotIndex = 2;
  ann.raft.entries = entries(1, 1, 2, 2, 2).slice(2);
  checker.drained(ann, effects({ persist: persist([entry(5, 2)]) }));
  ann.raft.role = 'follower';
  ann.raft.entries = entries(1, 1, 2, 3).slice(2);
  const state = { role: 'follower', term: 3, leader: 2 } as const;
  checker.drained(ann, effects({ state, persist: persist([entry(4, 3)]) }));
});

test('a leader that deletes, overwrites or writes again is found', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(leaderAppendOnly, life);
  for (const member of [ann, bob, cid]) member.holds(...entries(1, 1, 2));
  lead(checker, ann, 2);
  ann.raft.entries = entries(1, 1);
  violates(
    () => checker.drained(ann, effects({ persist: persist([]) })),
    /ann, leader of term 2, deleted entries: its log ended at 3 and now ends at 2/,
  );
  lead(checker, bob, 3);
  bob.raft.entries = entries(1, 1, 3);
  violates(
    () => checker.drained(bob, effects({ persist: persist([]) })),
    /had entry 3 with term 2; now it has 3/,
  );
  lead(checker, cid, 4);
  violates(
    () => checker.drained(cid, effects({ persist: persist([entry(2, 1)]) })),
    /cid, leader of term 4, writes entry 2 again/,
  );
});

test('a change in the middle of a log is found within as many drains as it is long', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(leaderAppendOnly, life);
  ann.holds(...entries(1, 1, 1, 2));
  lead(checker, ann, 2);
  ann.raft.entries = entries(1, 9, 1, 2);
  violates(() => {
    for (let drain = 0; drain < 4; drain++) checker.drained(ann, effects({ persist: persist([]) }));
  }, /had entry 2 with term 1; now it has 9/);
});

test('a leader whose disk loses entries, or that takes a snapshot, is found', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(leaderAppendOnly, life);
  ann.holds(...entries(1, 1));
  lead(checker, ann, 2);
  checker.durable(ann);
  ann.durable.entries = entries(1);
  ann.durable.snapshotTerm = 3;
  checker.durable(ann);
  ann.durable.snapshotTerm = 0;
  violates(() => checker.durable(ann), /had entries up to 2 on disk, and now up to 1/);
  violates(
    () => checker.drained(ann, effects({ persist: persist([], snapshot(9, 1)) })),
    /takes a snapshot up to 9 in place of its log/,
  );
});
