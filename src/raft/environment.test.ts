import assert from 'node:assert/strict';
import { test } from 'node:test';
import { message, ofType, TestMember } from './testing.ts';

/** Runs for `ms` on a loop on which every timer fires 30 ms late, as its driver would tell. */
function lateLoop(member: TestMember, ms: number, done: () => boolean): void {
  const endMs = member.nowMs + ms;
  while (member.nowMs < endMs && !done()) {
    member.nowMs = Math.max(member.nowMs, member.core.nextDeadlineMs()) + 30;
    member.step({ type: 'stalled', stallMs: 30 });
    member.step({ type: 'tick' });
  }
}

test('a follower whose loop is late all the time still campaigns when the leader falls silent', () => {
  const member = new TestMember({});
  member.receive(message('heartbeat', 2, 1));
  lateLoop(member, 5000, () => member.core.status().role !== 'follower');
  assert.equal(member.core.status().role, 'pre-candidate');
});

test('a leader whose loop is late all the time still gives up when nobody answers', () => {
  const member = new TestMember({});
  for (const { to, session } of ofType(member.elect(), 'append')) member.acknowledge(to, session);
  lateLoop(member, 5000, () => member.core.status().role !== 'leader');
  assert.equal(member.core.status().role, 'follower');
});
