import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ELECTION_TIMEOUT_MS, message, ofType, TestMember } from './testing.ts';
import type { RaftEffects } from './types.ts';

const granted = (effects: RaftEffects) =>
  ofType(effects, 'vote-response').map((response) => response.granted);
const preGranted = (effects: RaftEffects) =>
  ofType(effects, 'pre-vote-response').map((response) => response.granted);

/** A member that has just heard from leader 2 of term 1. */
function follower(options: ConstructorParameters<typeof TestMember>[0] = {}): TestMember {
  const member = new TestMember(options);
  member.receive(message('heartbeat', 2, 1));
  return member;
}

describe('the hint of a broken connection', () => {
  test('brings a pre-vote within 5 ms when the leader is at the other end, else nothing', () => {
    const member = follower();
    member.step({ type: 'peer-disconnected', peer: 3 });
    assert.ok(member.core.nextDeadlineMs() - member.nowMs >= ELECTION_TIMEOUT_MS);
    member.step({ type: 'peer-disconnected', peer: 2 });
    const delayMs = member.core.nextDeadlineMs() - member.nowMs;
    assert.ok(delayMs >= 1 && delayMs <= 5);
    const asked = ofType(member.tick(), 'pre-vote');
    assert.deepEqual(
      asked.map(({ hinted, term }) => [hinted, term]),
      [
        [true, 2],
        [true, 2],
      ],
    );
  });

  test('a refused pre-vote is repeated every 5 to 10 ms, and at the election timeout without the hint', () => {
    const member = follower();
    const timeoutAtMs = member.core.nextDeadlineMs();
    member.step({ type: 'peer-disconnected', peer: 2 });
    for (let round = 0; round < 8; round += 1) {
      const asked = ofType(member.tick(), 'pre-vote');
      assert.ok(asked.every(({ hinted }) => hinted));
      member.receive(message('pre-vote-response', 3, 1, { granted: false }));
      member.receive(message('pre-vote-response', 2, 1, { granted: false }));
      const delayMs = member.core.nextDeadlineMs() - member.nowMs;
      assert.ok(delayMs >= 5 && delayMs <= 10);
    }
    member.nowMs = timeoutAtMs;
    const asked = ofType(member.step({ type: 'tick' }), 'pre-vote');
    assert.ok(asked.length === 2 && asked.every(({ hinted }) => !hinted));
    assert.equal(member.core.status().term, 1);
  });

  test('a member whose own connection is whole refuses; one whose broke too grants pre-vote and vote', () => {
    const whole = follower();
    assert.deepEqual(preGranted(whole.receive(message('pre-vote', 3, 2, { hinted: true }))), [false]);
    const broken = follower();
    broken.step({ type: 'peer-disconnected', peer: 2 });
    assert.deepEqual(preGranted(broken.receive(message('pre-vote', 3, 2, { hinted: true }))), [true]);
    assert.deepEqual(granted(broken.receive(message('vote', 3, 2, { hinted: true }))), [true]);
  });

  test('traffic from the leader sets everything back', () => {
    const member = follower();
    member.step({ type: 'peer-disconnected', peer: 2 });
    member.receive(message('heartbeat', 2, 1));
    assert.ok(member.core.nextDeadlineMs() - member.nowMs >= ELECTION_TIMEOUT_MS);
    assert.deepEqual(preGranted(member.receive(message('pre-vote', 3, 2, { hinted: true }))), [false]);
  });

  test('of two rivals whose pre-votes cross, one stands back, once', () => {
    const member = follower();
    member.step({ type: 'peer-disconnected', peer: 2 });
    member.tick();
    assert.deepEqual(preGranted(member.receive(message('pre-vote', 3, 2, { hinted: true }))), [true]);
    assert.equal(member.core.status().role, 'follower');
    member.receive(message('pre-vote-response', 3, 2));
    assert.equal(member.core.status().term, 1);
    member.tick();
    member.receive(message('pre-vote', 3, 2, { hinted: true }));
    assert.equal(member.core.status().role, 'pre-candidate');
  });

  test('a hinted election that is not won is tried again soon, each time less soon', () => {
    const member = follower();
    member.step({ type: 'peer-disconnected', peer: 2 });
    const delaysMs: number[] = [];
    for (let round = 0; round < 2; round += 1) {
      member.tick();
      member.receive(message('pre-vote-response', 3, member.core.status().term + 1));
      assert.equal(member.core.status().role, 'candidate');
      delaysMs.push(member.core.nextDeadlineMs() - member.nowMs);
    }
    assert.ok(delaysMs.every((delayMs, round) => delayMs >= 30 * 2 ** round && delayMs <= 60 * 2 ** round));
  });

  test('with lease reads it clears nothing, not even for the own vote', () => {
    const member = follower({ leaseReads: true });
    member.nowMs += 20;
    member.step({ type: 'peer-disconnected', peer: 2 });
    assert.deepEqual(preGranted(member.receive(message('pre-vote', 3, 2, { hinted: true }))), [false]);
    const delayMs = member.core.nextDeadlineMs() - member.nowMs;
    assert.ok(delayMs > ELECTION_TIMEOUT_MS - 20 && delayMs <= ELECTION_TIMEOUT_MS - 20 + 5);
  });
});
