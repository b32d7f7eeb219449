import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Command, encodeBatch } from '../../keyspace/index.ts';
import type { Entry } from '../../raft/index.ts';
import type { MemberSight } from '../observation.ts';
import { History } from '../workload/history.ts';
import { nameOf } from '../workload/testing/bench.ts';
import { TakenOut } from './taken-out.ts';

const found = (error: unknown): boolean => nameOf(error) === 'taken-out';

function stage() {
  const well = { name: 'member-1', memberId: 1, diverged: false } as MemberSight;
  const wrong = { name: 'member-2', memberId: 2, diverged: true } as MemberSight;
  const life = { nowUs: 0, members: [well, wrong] };
  const history = new History(() => life.nowUs);
  const checker = new TakenOut(life, history);
  const raise = (member: MemberSight, kind: 'corrupt' | 'corrupt-member' = 'corrupt-member'): Entry => {
    const command: Command = { type: 'alarm', raise: true, kind, member: BigInt(member.memberId) };
    const data = encodeBatch({ timeMs: 1, commands: [{ command, identity: undefined }] });
    return { index: 7, term: 1, kind: 'command', data };
  };
  /** A read that `by` answers. */
  const reads = (by: MemberSight, { asked = life.nowUs + 1 } = {}): void => {
    life.nowUs = asked;
    const operation = history.invoke('client-1.1', { type: 'range', key: 'k', end: '', serializable: true });
    life.nowUs += 10;
    const answer = { type: 'range', pairs: [], count: 0, more: false, revision: 1, by: by.memberId } as const;
    history.succeeded(operation, answer);
  };
  return { well, wrong, life, history, checker, raise, reads };
}

test('an alarm about a member that differs is right, and one about another is found', () => {
  const { well, wrong, checker, raise } = stage();
  checker.committed(raise(wrong));
  assert.throws(() => checker.committed(raise(well)), found);
});

test('an alarm that says that nobody can tell who differs is found', () => {
  const { wrong, checker, raise } = stage();
  assert.throws(() => checker.committed(raise(wrong, 'corrupt')), found);
});

test('a member may answer until it knows that it differs, and is found when it does after', () => {
  const { well, wrong, history, checker, raise, reads } = stage();
  const entry = raise(wrong);
  checker.committed(entry);
  reads(wrong);
  checker.applied(well, entry);
  reads(wrong);
  checker.applied(wrong, entry);
  reads(well);
  assert.equal(history.failure, undefined);
  reads(wrong);
  assert.ok(found(history.failure));
});

test('what was on its way when it learnt that it differs is no answer of one that knows', () => {
  const { wrong, life, history, checker, raise } = stage();
  const entry = raise(wrong);
  checker.committed(entry);
  const operation = history.invoke('client-1.1', { type: 'range', key: 'k', end: '', serializable: true });
  life.nowUs = 5;
  checker.applied(wrong, entry);
  history.succeeded(operation, { type: 'range', pairs: [], count: 0, more: false, revision: 1, by: 2 });
  assert.equal(history.failure, undefined);
});
