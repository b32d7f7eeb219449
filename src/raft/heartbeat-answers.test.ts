import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MessageOf, message, ofType, TestMember } from './testing.ts';
import type { RaftEffects, RaftMessage, RaftOptions } from './types.ts';

const HEARTBEAT_MS = 100;

/** Leads members 2 and 3, both caught up, with adaptive timeouts unless one is given. */
function leader(options: Partial<RaftOptions> = {}): TestMember {
  const member = new TestMember({
    electionTimeoutMs: undefined as never,
    heartbeatIntervalMs: HEARTBEAT_MS,
    ...options,
  });
  member.after(1000);
  member.receive(message('pre-vote-response', 2, 1));
  member.receive(message('vote-response', 2, 1));
  member.acknowledge(2, 1);
  member.acknowledge(3, 2);
  return member;
}

/** Each follower answers what wants it. Returns whether 2 and 3 were asked. */
function answer(member: TestMember, effects: RaftEffects, silent: readonly number[] = []): boolean[] {
  const beats = ofType(effects, 'heartbeat');
  const response = ({ to, session, sentAtMs }: MessageOf<'heartbeat'>): RaftMessage =>
    message('heartbeat-response', to, 1, { session, sentAtMs });
  const asked = beats.filter(({ wantsAnswer, to }) => wantsAnswer && !silent.includes(to));
  member.receive(...asked.map(response));
  return beats.map(({ wantsAnswer }) => wantsAnswer);
}

test('a follower answers a heartbeat only where the leader wants it', () => {
  const member = new TestMember();
  assert.equal(member.receive(message('heartbeat', 2, 1)).messages.length, 1);
  assert.deepEqual(member.receive(message('heartbeat', 2, 1, { wantsAnswer: false })).messages, []);
  assert.equal(
    member.receive(message('heartbeat', 2, 0, { wantsAnswer: false })).messages.length,
    1,
    'stale',
  );
});

test('an idle leader asks for every second answer, and each time for one that is due', () => {
  const member = leader();
  const rounds = Array.from({ length: 4 }, () => answer(member, member.tick()));
  assert.deepEqual(rounds, [
    [true, true],
    [false, false],
    [true, true],
    [false, false],
  ]);
  const late = Array.from({ length: 3 }, () => answer(member, member.tick(), [3]));
  assert.deepEqual(late, [
    [true, true],
    [false, true],
    [true, true],
  ]);
});

test('a read, a follower that lacks something and a new connection want every answer', () => {
  const member = leader();
  answer(member, member.tick());
  assert.deepEqual(answer(member, member.step({ type: 'read', readId: 1 }), [2, 3]), [true, true]);
  assert.deepEqual(answer(member, member.tick(), [2, 3]), [true, true]);
  const behind = leader();
  answer(behind, behind.tick());
  behind.propose('x');
  behind.acknowledge(2, 1);
  assert.deepEqual(answer(behind, behind.tick()), [false, true]);
  const reconnected = leader();
  answer(reconnected, reconnected.tick());
  reconnected.step({ type: 'peer-connected', peer: 2 });
  assert.deepEqual(answer(reconnected, reconnected.tick()), [true, false]);
});

test('with a lease to keep, or a fixed timeout, every heartbeat is answered', () => {
  for (const member of [leader({ leaseReads: true }), leader({ electionTimeoutMs: 400 })]) {
    for (let round = 0; round < 4; round += 1) assert.deepEqual(answer(member, member.tick()), [true, true]);
  }
});

test('a leader that stood still asks at once, and keeps its office if it is answered', () => {
  const member = leader();
  answer(member, member.tick());
  member.nowMs += 5000;
  member.step({ type: 'stalled', stallMs: 5000 });
  assert.deepEqual(answer(member, member.step({ type: 'tick' })), [true, true]);
  member.tick();
  assert.equal(member.core.status().role, 'leader');
});

test('a spared answer and two that are late depose nobody; a silent majority does', () => {
  const member = leader();
  answer(member, member.tick());
  for (let round = 0; round < 4; round += 1) answer(member, member.tick(), [2, 3]);
  assert.equal(member.core.status().role, 'leader');
  member.after(HEARTBEAT_MS);
  assert.notEqual(member.core.status().role, 'leader');
});
