import { test } from 'node:test';
import { leaderCompleteness } from './04-leader-completeness.ts';
import {
  effects,
  entries,
  type HandmadeLife,
  handmadeLife,
  lead,
  violates,
  type Watching,
  watching,
} from './testing.ts';

/** Ann, leader of term 2, commits three entries. */
function threeCommitted(): HandmadeLife & { readonly checker: Watching } {
  const made = handmadeLife();
  const checker = watching(leaderCompleteness, made.life);
  made.ann.holds(...entries(1, 1, 2));
  lead(checker, made.ann, 2);
  checker.drained(made.ann, effects({ committed: made.ann.raft.entries }));
  for (const committed of made.ann.raft.entries) made.committed.add(committed, 0);
  return { ...made, checker };
}

test('a later leader that has all that was committed, and more, passes', () => {
  const { checker, bob } = threeCommitted();
  bob.holds(...entries(1, 1, 2, 2));
  lead(checker, bob, 3);
});

test('a later leader may have compacted what was committed', () => {
  const { checker, bob } = threeCommitted();
  bob.holds(...entries(1, 1, 2, 2).slice(2));
  bob.raft.snapshotIndex = 2;
  lead(checker, bob, 3);
});

test('a later leader that lacks or contradicts what was committed is found', () => {
  const { checker, bob, cid } = threeCommitted();
  bob.holds(...entries(1, 1));
  violates(
    () => lead(checker, bob, 3),
    /entry 3 of term 2 was committed before term 3, but bob, leader of term 3, has no such entry/,
  );
  cid.holds(...entries(1, 3, 3));
  violates(
    () => lead(checker, cid, 4),
    /entry 2 of term 1 .* cid, leader of term 4, has one of term 3 there/,
  );
});

test('a leader of an older term, elected late, owes nothing of it', () => {
  const { checker, bob } = threeCommitted();
  bob.holds(...entries(1));
  lead(checker, bob, 1);
});

test('one that leads already when an older leader commits is found too', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(leaderCompleteness, life);
  lead(checker, bob.holds(...entries(1)), 3);
  lead(checker, ann.holds(...entries(1, 1)), 2);
  violates(
    () => checker.drained(ann, effects({ committed: entries(1, 1) })),
    /bob, leader of term 3, has no such/,
  );
});
