import { test } from 'node:test';
import { encodeBatch } from '../../keyspace/index.ts';
import type { Entry } from '../../raft/index.ts';
import { sameStateAtSameIndex } from './05-same-state-at-same-index.ts';
import {
  entry,
  type HandmadeLife,
  type HandmadeMember,
  handmadeLife,
  snapshot,
  violates,
  type Watching,
  watching,
} from './testing.ts';

function stamped(index: number, timeMs: number): Entry {
  return { index, term: 1, kind: 'command', data: encodeBatch({ timeMs, commands: [] }) };
}

function started(): HandmadeLife & { readonly checker: Watching } {
  const made = handmadeLife();
  return { ...made, checker: watching(sameStateAtSameIndex, made.life) };
}

/** Applies `applied`, while it reports `reported`. */
function apply(checker: Watching, member: HandmadeMember, applied: Entry, reported = applied): void {
  const results = member.keyspace.apply(applied.index, applied.data);
  checker.applied(member, reported, results);
}

test('members that apply the same entries pass, also with different bytes objects', () => {
  const { checker, committed, ann, bob } = started();
  for (let index = 1; index <= 40; index++) {
    committed.add(stamped(index, index), 0);
    apply(checker, ann, stamped(index, index));
  }
  for (let index = 1; index <= 40; index++) apply(checker, bob, stamped(index, index));
  checker.ended();
});

test('an entry that nobody committed, or another than was, is found', () => {
  const { checker, committed, ann, bob } = started();
  violates(() => apply(checker, ann, stamped(1, 1)), /ann applied entry 1 .* nobody reported as committed/);
  committed.add(stamped(1, 1), 0);
  const other = { ...stamped(1, 1), term: 2 };
  violates(
    () => apply(checker, bob, other),
    /bob applied entry 1 of term 2 .*, but entry 1 of term 1 .* was/,
  );
  const spoilt = { ...stamped(1, 1), data: stamped(1, 2).data };
  violates(
    () => checker.applied(ann, spoilt, []),
    /ann applied entry 1 of term 1 .* digest .*, but entry 1 of term 1 .* was/,
  );
});

test('results that differ are found', () => {
  const { checker, committed, ann, bob } = started();
  committed.add(entry(1, 1), 0);
  for (const { keyspace } of [ann, bob]) keyspace.apply(1, new Uint8Array(0));
  checker.applied(ann, entry(1, 1), [{ revision: 2, outcome: { type: 'tick' } }]);
  violates(
    () => checker.applied(bob, entry(1, 1), [{ revision: 3, outcome: { type: 'tick' } }]),
    /gave 1 results up to revision 3 on bob, but 1 up to revision 2 on ann/,
  );
});

test('a state that differs is found at the next hash, at an installed snapshot, at a start and in the end', () => {
  const { checker, committed, ann, bob, cid } = started();
  for (let index = 1; index <= 32; index++) {
    committed.add(stamped(index, index), 0);
    apply(checker, ann, stamped(index, index));
  }
  for (let index = 1; index <= 31; index++) apply(checker, bob, stamped(index, 1), stamped(index, index));
  violates(() => apply(checker, bob, stamped(32, 1), stamped(32, 32)), /bob has applied index 32 .* of ann/);
  cid.keyspace.apply(32, encodeBatch({ timeMs: 1, commands: [] }));
  violates(() => checker.installed(cid, snapshot(32, 1)), /cid has installed a snapshot up to index 32/);
  violates(() => checker.memberStarted(cid), /cid has started from a snapshot up to index 32/);
  violates(() => checker.ended(), /bob has ended at index 32/);
});
