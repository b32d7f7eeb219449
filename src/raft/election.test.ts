import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { biasedFraction } from './roles.ts';
import { ELECTION_TIMEOUT_MS, entry, message, ofType, stored, TestMember } from './testing.ts';
import { InvariantViolation, type RaftEffects } from './types.ts';

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

describe('leader election', () => {
  test('a follower that hears nothing for an election timeout asks for pre-votes, without a new term (§5.2, §9.6)', () => {
    const member = new TestMember();
    assert.deepEqual(ofType(member.after(ELECTION_TIMEOUT_MS - 1), 'pre-vote'), []);
    const asked = ofType(member.after(ELECTION_TIMEOUT_MS + 1), 'pre-vote');
    assert.deepEqual(
      asked.map(({ to, term }) => [to, term]),
      [
        [2, 1],
        [3, 1],
      ],
    );
    assert.equal(member.core.status().term, 0);
  });

  test('timeouts are spread over one to two election timeouts (§5.2)', () => {
    for (const [random, share] of [
      [0, 1],
      [0.5, 1.5],
      [0.75, 1.75],
    ] as const) {
      const member = new TestMember({ random: () => random });
      assert.equal(Math.round(member.core.nextDeadlineMs()), 1000 + ELECTION_TIMEOUT_MS * share);
    }
  });

  test('a priority moves a timeout within the spread and never out of it', () => {
    for (const priority of [-100, -1, 0, 1, 100]) {
      for (const fraction of [0, 0.3, 0.999]) {
        const biased = biasedFraction(fraction, priority);
        assert.ok(biased >= 0 && biased < 1);
        if (priority > 0) assert.ok(biased <= fraction);
        if (priority < 0) assert.ok(biased >= fraction);
      }
    }
  });

  test('requests for votes wait until the own vote is durable, and so does counting it', () => {
    const member = new TestMember({ voters: [1] });
    const held = member.stepHeld({ type: 'tick' });
    assert.equal(member.core.status().role, 'candidate');
    assert.deepEqual(held.persist?.hardState, { term: 1, votedFor: 1, commitIndex: 0 });
    member.stepHeld({ type: 'persisted', persistId: 1 });
    assert.equal(member.core.status().role, 'leader');
  });

  test('a candidate whose own vote is not durable yet starts no further term', () => {
    const member = new TestMember();
    member.tick();
    const held = member.stepHeld({ type: 'message', message: message('pre-vote-response', 2, 1) });
    member.nowMs += 10 * ELECTION_TIMEOUT_MS;
    member.stepHeld({ type: 'tick' });
    assert.deepEqual([member.core.status().role, member.core.status().term], ['candidate', 1]);
    member.step({ type: 'persisted', persistId: held.persist?.persistId ?? 0 });
    assert.ok(member.core.nextDeadlineMs() >= member.nowMs + ELECTION_TIMEOUT_MS);
  });

  test('a candidate asks one that is connected meanwhile, unless it has answered', () => {
    const member = new TestMember();
    member.tick();
    assert.equal(ofType(member.step({ type: 'peer-connected', peer: 2 }), 'pre-vote').length, 1);
    member.receive(message('pre-vote-response', 2, 1));
    member.receive(message('vote-response', 3, 1, { granted: false }));
    assert.equal(ofType(member.step({ type: 'peer-connected', peer: 2 }), 'vote').length, 1);
    assert.equal(ofType(member.step({ type: 'peer-connected', peer: 3 }), 'vote').length, 0);
  });

  test('a majority makes a leader, a minority does not (§5.2)', () => {
    const member = new TestMember({ voters: [1, 2, 3, 4, 5] });
    member.tick();
    member.receive(message('pre-vote-response', 2, 1), message('pre-vote-response', 3, 1));
    assert.equal(member.core.status().role, 'candidate');
    member.receive(message('vote-response', 2, 1), message('vote-response', 2, 1));
    assert.equal(member.core.status().role, 'candidate');
    member.receive(message('vote-response', 3, 1));
    assert.equal(member.core.status().role, 'leader');
  });

  test('votes of an earlier term and of strangers do not count', () => {
    const member = new TestMember({}, stored([], { term: 4 }));
    member.tick();
    member.receive(message('pre-vote-response', 2, 5));
    member.receive(message('vote-response', 2, 4), message('vote-response', 9, 5));
    assert.equal(member.core.status().role, 'candidate');
  });

  test('a member votes for one candidate in a term, first come first served, and says so again when asked again (§5.2)', () => {
    const member = new TestMember();
    assert.deepEqual(granted(member.receive(message('vote', 2, 1))), [true]);
    assert.deepEqual(granted(member.receive(message('vote', 3, 1))), [false]);
    assert.deepEqual(granted(member.receive(message('vote', 2, 1))), [true]);
  });

  test('a vote leaves only when it is durable (§5.1)', () => {
    const member = new TestMember();
    const held = member.stepHeld({ type: 'message', message: message('vote', 2, 1) });
    assert.deepEqual(held.messages, []);
    assert.deepEqual(
      held.messagesAfterPersist.map(({ type }) => type),
      ['vote-response'],
    );
    assert.equal(held.persist?.mustSync, true);
  });

  test('a vote given before a crash is remembered (§5.1)', () => {
    const member = new TestMember({}, stored([], { term: 1, votedFor: 2 }));
    assert.deepEqual(granted(member.receive(message('vote', 3, 1))), [false]);
    assert.deepEqual(granted(member.receive(message('vote', 2, 1))), [true]);
  });

  test('a vote is refused to a candidate whose log is not up to date (§5.4.1)', () => {
    const cases = [
      { terms: [1], last: [1, 1], grants: true },
      { terms: [1], last: [2, 1], grants: true },
      { terms: [1, 1], last: [1, 1], grants: false },
      { terms: [1], last: [1, 2], grants: true },
      { terms: [1, 1], last: [1, 2], grants: true },
      { terms: [2], last: [2, 1], grants: false },
    ];
    for (const { terms, last, grants } of cases) {
      const fields = { lastIndex: last[0] as number, lastTerm: last[1] as number };
      const one = new TestMember({}, stored(terms));
      assert.deepEqual(preGranted(one.receive(message('pre-vote', 2, 3, fields))), [grants]);
      assert.deepEqual(granted(one.receive(message('vote', 2, 3, fields))), [grants]);
    }
  });

  test('a pre-vote changes nothing on the member that grants it', () => {
    const member = new TestMember();
    const deadline = member.core.nextDeadlineMs();
    const { persist } = member.stepHeld({ type: 'message', message: message('pre-vote', 2, 1) });
    assert.equal(persist, undefined);
    assert.equal(member.core.status().term, 0);
    assert.equal(member.core.nextDeadlineMs(), deadline);
  });

  test('only a granted vote resets the election timer, not a refused one nor its term (logcabin#200)', () => {
    const member = new TestMember({}, stored([1, 1]));
    const deadline = member.core.nextDeadlineMs();
    member.nowMs += 50;
    member.receive(message('vote', 2, 2, { lastIndex: 1, lastTerm: 1 }));
    assert.equal(member.core.status().term, 2);
    assert.equal(member.core.nextDeadlineMs(), deadline);
    member.receive(message('vote', 3, 2, { lastIndex: 2, lastTerm: 1 }));
    assert.ok(member.core.nextDeadlineMs() > deadline);
  });

  test('traffic of an earlier leader does not reset the election timer, but tells it the term', () => {
    const member = new TestMember({}, stored([], { term: 5 }));
    const deadline = member.core.nextDeadlineMs();
    member.nowMs += 50;
    const answers = ofType(member.receive(message('heartbeat', 2, 4)), 'append-response');
    assert.deepEqual(
      answers.map(({ accepted, term }) => [accepted, term]),
      [[false, 5]],
    );
    assert.equal(member.core.nextDeadlineMs(), deadline);
  });

  test('a candidate gives way to the leader of its term (§5.2)', () => {
    const member = new TestMember();
    member.tick();
    member.receive(message('pre-vote-response', 2, 1));
    member.receive(message('append', 3, 1));
    const { role, leader } = member.core.status();
    assert.deepEqual([role, leader], ['follower', 3]);
  });

  test('a new leader appends a no-op of its term (§8)', () => {
    const member = new TestMember({}, stored([1]));
    const appends = ofType(member.elect(), 'append');
    assert.deepEqual(
      appends.map(({ entries }) => entries),
      [[entry(2, 2, 'empty')], [entry(2, 2, 'empty')]],
    );
  });

  test('a second leader in one term stops the member', () => {
    assert.throws(() => follower().receive(message('heartbeat', 3, 1)), InvariantViolation);
  });
});

describe('stickiness', () => {
  test('a member that heard a leader within the election timeout answers no candidate and keeps its term (§6)', () => {
    const member = follower();
    assert.deepEqual(preGranted(member.receive(message('pre-vote', 3, 2))), [false]);
    assert.deepEqual(member.receive(message('vote', 3, 2)).messages, []);
    assert.equal(member.core.status().term, 1);
    member.nowMs += ELECTION_TIMEOUT_MS;
    assert.deepEqual(preGranted(member.receive(message('pre-vote', 3, 2))), [true]);
    assert.deepEqual(granted(member.receive(message('vote', 3, 2))), [true]);
  });

  test('a leader answers no candidate', () => {
    const member = new TestMember();
    member.elect();
    assert.deepEqual(preGranted(member.receive(message('pre-vote', 3, 2))), [false]);
    member.receive(message('vote', 3, 2));
    assert.equal(member.core.status().role, 'leader');
  });

  test('it does not apply to a candidate that the leader asked to take over (dissertation §3.10)', () => {
    assert.deepEqual(granted(follower().receive(message('vote', 3, 2, { transfer: true }))), [true]);
  });
});

test('with lease reads a member that starts votes for nobody for one longest election timeout', () => {
  const member = new TestMember({ leaseReads: true }, stored([], { term: 1 }));
  assert.deepEqual(preGranted(member.receive(message('pre-vote', 2, 2))), [false]);
  member.nowMs += ELECTION_TIMEOUT_MS;
  assert.deepEqual(preGranted(member.receive(message('pre-vote', 2, 2))), [true]);
});
