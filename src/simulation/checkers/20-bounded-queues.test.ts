import { test } from 'node:test';
import { boundedQueues } from './20-bounded-queues.ts';
import {
  effects,
  entry,
  type HandmadeLife,
  handmadeLife,
  lead,
  peer,
  persist,
  violates,
  type Watching,
  watching,
} from './testing.ts';

const hundred = 'x'.repeat(68);

/** An entry counts 100 bytes here. */
function leading(inherited: number): HandmadeLife & { readonly checker: Watching } {
  const made = handmadeLife();
  const bounds = { maxUncommittedBytes: 1000, maxAppendBytes: 200, maxInflightBytes: 300 };
  const checker = watching(boundedQueues(bounds), made.life);
  grow(made, inherited);
  lead(checker, made.ann, 1);
  return { ...made, checker };
}

function grow({ ann }: HandmadeLife, count: number): void {
  ann.raft.entries = Array.from({ length: count }, (_, at) => entry(at + 1, 1, hundred));
}

test('a leader within its bound passes, and so does one entry more', () => {
  const made = leading(0);
  grow(made, 11);
  made.checker.drained(made.ann, effects({ persist: persist([]) }));
  made.ann.raft.commitIndex = 6;
  grow(made, 17);
  made.checker.drained(made.ann, effects({ persist: persist([]) }));
});

test('a leader that takes more than its bound without committing is found', () => {
  const made = leading(0);
  grow(made, 12);
  violates(
    () => made.checker.drained(made.ann, effects({ persist: persist([]) })),
    /holds 1200 bytes of entries after its commit index 0; the bound is 1132/,
  );
});

test('what a leader found uncommitted at its election is not held against it, but what it adds is', () => {
  const made = leading(20);
  grow(made, 21);
  made.checker.drained(made.ann, effects({ persist: persist([]) }));
  grow(made, 22);
  violates(() => made.checker.drained(made.ann, effects({ persist: persist([]) })), /holds 2200 bytes/);
});

test('too much in flight to one follower is found', () => {
  const made = leading(0);
  grow(made, 9);
  made.ann.raft.peers = [peer(made.bob, 1, 8)];
  made.checker.drained(made.ann, effects({ persist: persist([]) }));
  made.ann.raft.peers = [peer(made.bob, 1, 9)];
  violates(
    () => made.checker.drained(made.ann, effects({ persist: persist([]) })),
    /has 700 bytes of entries in flight to member 2, from 2 to 8; the bound is 500/,
  );
});
