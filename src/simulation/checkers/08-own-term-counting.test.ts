import { test } from 'node:test';
import { ownTermCounting } from './08-own-term-counting.ts';
import { effects, entries, handmadeLife, lead, persist, violates, watching } from './testing.ts';

test('a leader commits older entries together with one of its own, and a follower what it is told', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(ownTermCounting, life);
  checker.memberStarted(ann);
  lead(checker, ann.holds(...entries(1, 1, 3)), 3);
  ann.raft.commitIndex = 3;
  checker.drained(ann, effects({ persist: persist([]) }));
  bob.holds(...entries(1, 1, 3));
  checker.memberStarted(bob);
  bob.raft.commitIndex = 2;
  checker.drained(bob, effects({ persist: persist([]) }));
});

test('a leader that commits an older entry by itself is found', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(ownTermCounting, life);
  checker.memberStarted(ann);
  lead(checker, ann.holds(...entries(1, 2, 4)), 4);
  ann.raft.commitIndex = 2;
  violates(
    () => checker.drained(ann, effects({ persist: persist([]) })),
    /ann, leader of term 4, moved its commit index from 0 to 2, whose entry is of term 2/,
  );
});

test('one that follows again learns of any commit', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(ownTermCounting, life);
  checker.memberStarted(ann);
  lead(checker, ann.holds(...entries(1, 2, 4)), 4);
  ann.raft.role = 'follower';
  ann.raft.term = 5;
  ann.raft.commitIndex = 2;
  checker.drained(ann, effects({ state: { role: 'follower', term: 5, leader: 2 } }));
});

test('one that commits an older entry as it comes to lead is found, also right after its start', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(ownTermCounting, life);
  ann.holds(...entries(1, 2, 4)).raft.commitIndex = 1;
  checker.memberStarted(ann);
  ann.raft.commitIndex = 2;
  violates(
    () => lead(checker, ann, 4),
    /ann, leader of term 4, moved its commit index from 1 to 2, whose entry is of term 2/,
  );
});
