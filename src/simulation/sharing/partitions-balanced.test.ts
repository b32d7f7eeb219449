import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PartitionsBalanced, partitionsBalancedChecker } from './partitions-balanced.ts';
import type { PresentMember } from './reports.ts';
import { HandMadeSharing } from './testing.ts';

const found = (message: RegExp) => ({ name: 'Violation', checker: 'partitions-balanced', message });
const member = (holder: string, weight = 1): PresentMember => ({ holder, weight, declared: 4 });

/** Four partitions, led by the holders of these numbers: `holder-1` and so on. */
function balance(members: PresentMember[], leaders: readonly number[], complete = true) {
  let checker: PartitionsBalanced | undefined;
  const sharing = new HandMadeSharing((reports, life) => {
    checker = new PartitionsBalanced(life, reports, { members, complete });
    return partitionsBalancedChecker(checker);
  });
  const balanced = checker as unknown as PartitionsBalanced;
  for (const [partition, leader] of leaders.entries()) {
    const job = sharing.job(String(partition), { token: leader, forMs: 10_000 });
    sharing.reports.tell('jobBegan', job);
  }
  sharing.reports.elections.healedUs = 0;
  balanced.look();
  sharing.life.passMs(1000);
  return { sharing, balanced };
}

test('every partition led within the bounds for a while is balanced', () => {
  const { balanced } = balance([member('holder-1'), member('holder-2')], [1, 2, 1, 2]);
  assert.equal(balanced.look(), true);
  balanced.ended();
});

test('a balance that has not lasted is none yet', () => {
  const { balanced } = balance([member('holder-1')], [1, 1, 1]);
  assert.equal(balanced.look(), false);
});

test('a partition that nobody leads is found in the end', () => {
  const { balanced } = balance([member('holder-1')], [1, 1, 1]);
  assert.throws(() => balanced.ended(), found(/nobody leads partition 3/));
});

test('a leader that is no member is found', () => {
  const { balanced } = balance([member('holder-1')], [1, 1, 1, 7]);
  assert.throws(() => balanced.ended(), found(/holder-7 leads partition 3 and is no member/));
});

test('a member that leads more than its bound is found, by weight', () => {
  const even = balance([member('holder-1'), member('holder-2')], [1, 1, 1, 1]);
  assert.throws(() => even.balanced.ended(), found(/holder-1 leads 4 of 4 partitions; its bound is 2/));
  const light = balance([member('holder-1', 0.5), member('holder-2', 2)], [1, 1, 2, 2]);
  assert.throws(() => light.balanced.ended(), found(/holder-1 leads 2 of 4 partitions; its bound is 1/));
});

test('members that do not take part are found', () => {
  const { balanced } = balance([member('holder-1')], [1, 1, 1, 1], false);
  assert.throws(() => balanced.ended(), found(/not all members take part/));
});
