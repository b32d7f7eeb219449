import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { message, ofType, stored, TestMember } from './testing.ts';
import { Timing } from './timing.ts';
import type { RaftOptions } from './types.ts';

/** Heartbeats so frequent that they set no bound of their own. */
const options: RaftOptions = {
  ...{ groupId: 1, memberId: 1, configuration: { voters: [1] }, random: () => 0 },
  heartbeatIntervalMs: 45,
};
const HOUR_MS = 3_600_000;

test('whatever is measured, the adaptive timeout stays within 150 and 1000 ms, and heartbeats below a third of it', () => {
  const samples = fc.array(
    fc.tuple(fc.constantFrom('gap', 'stall', 'write', 'trip'), fc.nat(5000), fc.nat(60_000)),
  );
  fc.assert(
    fc.property(samples, (given) => {
      const timing = new Timing(options, 0);
      let nowMs = 0;
      for (const [kind, value, laterMs] of given) {
        nowMs += laterMs;
        if (kind === 'gap') timing.noteLeaderGap(value, nowMs);
        else if (kind === 'stall') timing.noteStall(value, nowMs);
        else if (kind === 'write') timing.noteWrite(value, nowMs);
        else timing.roundTripMs = value;
        const timeoutMs = timing.electionTimeoutMs(nowMs);
        assert.ok(timeoutMs >= 150 && timeoutMs <= timing.longestElectionTimeoutMs);
        assert.ok(timing.heartbeatIntervalMs(nowMs) < timeoutMs / 3);
        assert.ok(timing.readLeaseMs < 150);
      }
    }),
  );
});

test('it starts near 400 ms and comes down to 150 in a quiet, quick network', () => {
  const timing = new Timing(options, 0);
  assert.equal(timing.electionTimeoutMs(0), 400);
  assert.ok(Math.abs(timing.electionTimeoutMs(HOUR_MS) - 150) < 1);
});

test('it does not ask for more heartbeats than were wanted: with one each 100 ms it stays above 300 ms', () => {
  const timing = new Timing({ ...options, heartbeatIntervalMs: 100 }, 0);
  assert.equal(timing.electionTimeoutMs(0), 400);
  const timeoutMs = timing.electionTimeoutMs(HOUR_MS);
  assert.ok(timeoutMs > 300 && timeoutMs < 400, `${timeoutMs} ms`);
  assert.ok(timing.heartbeatIntervalMs(HOUR_MS) > 99);
});

test('it rises at once with round trips, silences of a living leader and stalls, and forgets the latter two', () => {
  const timing = new Timing(options, 0);
  timing.roundTripMs = 60;
  assert.equal(timing.electionTimeoutMs(HOUR_MS), 600);
  timing.roundTripMs = 0;
  timing.noteLeaderGap(300, HOUR_MS);
  assert.equal(timing.electionTimeoutMs(HOUR_MS), 600);
  timing.noteStall(250, HOUR_MS);
  assert.equal(timing.electionTimeoutMs(HOUR_MS), 650);
  assert.ok(timing.electionTimeoutMs(2 * HOUR_MS) < 151);
});

test('an outage, or a process that was stopped, is not taken for a habit', () => {
  const timing = new Timing(options, 0);
  timing.noteLeaderGap(5000, HOUR_MS);
  timing.noteStall(5000, HOUR_MS);
  assert.ok(timing.electionTimeoutMs(HOUR_MS) < 151);
});

test('a timeout that is given is fixed', () => {
  const timing = new Timing({ ...options, electionTimeoutMs: 1000, heartbeatIntervalMs: 500 }, 0);
  timing.roundTripMs = 900;
  timing.noteStall(200, 0);
  assert.deepEqual([timing.electionTimeoutMs(0), timing.leaderPatienceMs(0)], [1000, 1000]);
  assert.ok(timing.heartbeatIntervalMs(0) < 1000 / 3);
});

test('a follower takes the round trip from its leader’s heartbeats', () => {
  const member = new TestMember({ voters: [1, 2, 3] }, stored([], { term: 1 }));
  assert.equal(member.core.status().electionTimeoutMs, 100);
  const random = () => 0;
  const adaptive = new TestMember({ voters: [1, 2, 3], random, electionTimeoutMs: undefined as never });
  adaptive.receive(message('heartbeat', 2, 1, { roundTripMs: 70 }));
  assert.equal(adaptive.core.status().electionTimeoutMs, 700);
});

test('after a pause of its own a follower gives the leader one more heartbeat to be heard, and no more', () => {
  const member = new TestMember();
  member.receive(message('heartbeat', 2, 1));
  member.nowMs += 5000;
  member.step({ type: 'stalled', stallMs: 5000 });
  assert.deepEqual(member.step({ type: 'tick' }).messages, []);
  assert.deepEqual(
    ofType(member.receive(message('pre-vote', 3, 2)), 'pre-vote-response').map(({ granted }) => granted),
    [false],
  );
  assert.equal(ofType(member.after(60), 'pre-vote').length, 2);
});
