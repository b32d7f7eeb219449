import assert from 'node:assert/strict';
import { test } from 'node:test';
import { append, candidate, entriesFrom } from './testing/figures.ts';
import { ELECTION_TIMEOUT_MS, message, ofType, stored, TestMember } from './testing.ts';
import type { RaftMessage } from './types.ts';

/** The box "Rules for Servers" of figure 2 of the extended Raft paper: candidates. */

const roleAndTerm = (member: TestMember) => [member.core.status().role, member.core.status().term];

/** One step before an election: the pre-vote that wins has come in, and the disk has not answered. */
function converting(found = stored([1, 2], { term: 3 })) {
  const member = new TestMember({}, found);
  member.tick();
  member.nowMs += 7;
  const vote: RaftMessage = message('pre-vote-response', 2, found.hardState.term + 1);
  return { member, held: member.stepHeld({ type: 'message', message: vote }) };
}

test('Figure 2, candidates, at the start of an election: currentTerm rises by one', () => {
  const { member, held } = converting();
  assert.deepEqual(roleAndTerm(member), ['candidate', 4]);
  assert.equal(held.persist?.hardState?.term, 4);
  assert.equal(held.persist?.mustSync, true);
});

test('Figure 2, candidates, at the start of an election: it votes for itself, which counts once it is durable', () => {
  const { held } = converting();
  assert.equal(held.persist?.hardState?.votedFor, 1);

  // Two of five votes and its own make a leader, but not while a crash could take its own back.
  const member = new TestMember({ voters: [1, 2, 3, 4, 5] });
  member.tick();
  const asked = member.stepHeld(
    ...[2, 3].map((from) => ({ type: 'message', message: message('pre-vote-response', from, 1) }) as const),
  );
  for (const from of [2, 3]) {
    member.stepHeld({ type: 'message', message: message('vote-response', from, 1) });
  }
  assert.equal(member.core.status().role, 'candidate');
  member.stepHeld({ type: 'persisted', persistId: asked.persist?.persistId ?? 0 });
  assert.equal(member.core.status().role, 'leader');
});

test('Figure 2, candidates, at the start of an election: the election timer begins anew', () => {
  const { member } = converting();
  assert.ok(member.core.nextDeadlineMs() >= member.nowMs + ELECTION_TIMEOUT_MS);
  // Each time with a timeout of its own, or a split vote would be followed by the next (§5.2).
  const deadlines = Array.from({ length: 8 }, () => {
    const before = member.nowMs;
    member.tick();
    return Math.round(member.nowMs - before);
  });
  assert.ok(new Set(deadlines).size > 4, `timeouts of ${deadlines}`);
});

test('Figure 2, candidates, at the start of an election: RequestVote goes to all others with the last entry, once term and vote are durable', () => {
  const { held } = converting();
  assert.deepEqual(ofType(held, 'vote'), []);
  assert.deepEqual(
    ofType({ ...held, messages: held.messagesAfterPersist }, 'vote').map(
      ({ to, term, lastIndex, lastTerm }) => [to, term, lastIndex, lastTerm],
    ),
    [
      [2, 4, 2, 2],
      [3, 4, 2, 2],
    ],
  );
});

test('Figure 2, candidates, where it deviates, pre-vote: one that reaches nobody stays in its term, and so deposes nobody when it returns', () => {
  const member = new TestMember({}, stored([1]));
  member.receive(append(1, [1, 1], []));
  for (let timeouts = 0; timeouts < 20; timeouts += 1) {
    member.tick();
    assert.deepEqual(roleAndTerm(member), ['pre-candidate', 1]);
  }
  // The leader of before goes on as if nothing had been.
  const [answer] = ofType(member.receive(append(1, [1, 1], entriesFrom(2, 1))), 'append-response');
  assert.deepEqual([answer?.accepted, answer?.matchIndex, answer?.term], [true, 2, 1]);
  assert.deepEqual(roleAndTerm(member), ['follower', 1]);
});

test('Figure 2, candidates, where it deviates, pre-vote: a promise counts only for the term that is asked about', () => {
  const member = new TestMember({}, stored([], { term: 3 }));
  member.tick();
  for (const term of [3, 5]) {
    member.receive(message('pre-vote-response', 2, term));
    assert.deepEqual(roleAndTerm(member), ['pre-candidate', 3]);
  }
  member.receive(message('pre-vote-response', 2, 4));
  assert.deepEqual(roleAndTerm(member), ['candidate', 4]);
});

test('Figure 2, candidates: votes of a majority make a leader, and fewer do not', () => {
  for (const { voters, needed } of [
    { voters: [1, 2], needed: 1 },
    { voters: [1, 2, 3], needed: 1 },
    { voters: [1, 2, 3, 4], needed: 2 },
    { voters: [1, 2, 3, 4, 5], needed: 2 },
  ]) {
    const member = candidate({ voters });
    for (let votes = 0; votes < needed; votes += 1) {
      assert.deepEqual(roleAndTerm(member), ['candidate', 1], `${votes} of ${voters.length}`);
      member.receive(message('vote-response', 2 + votes, 1));
    }
    assert.deepEqual(roleAndTerm(member), ['leader', 1]);
  }
});

test('Figure 2, candidates: a vote counts once, for the term that it was given in, and only from a voter', () => {
  const member = candidate({ voters: [1, 2, 3, 4, 5] }, stored([], { term: 3 }));
  member.receive(message('vote-response', 2, 4));
  const others = [
    message('vote-response', 2, 4),
    message('vote-response', 3, 3),
    message('vote-response', 9, 4),
    message('vote-response', 4, 4, { granted: false }),
    message('pre-vote-response', 5, 4),
  ];
  for (const each of others) {
    member.receive(each);
    assert.deepEqual(roleAndTerm(member), ['candidate', 4]);
  }
  member.receive(message('vote-response', 5, 4));
  assert.deepEqual(roleAndTerm(member), ['leader', 4]);
});

test('Figure 2, candidates, where it deviates: a majority of refusals ends the campaign before the timeout', () => {
  const member = candidate();
  const deadlineMs = member.core.nextDeadlineMs();
  const refusals = [2, 3].map((from) => message('vote-response', from, 1, { granted: false }));
  member.receive(...refusals);
  assert.deepEqual(roleAndTerm(member), ['follower', 1]);
  assert.equal(member.core.nextDeadlineMs(), deadlineMs);
  // Its vote in this term is still its own.
  assert.equal(ofType(member.receive(message('vote', 2, 1)), 'vote-response')[0]?.granted, false);
});

test('Figure 2, candidates: AppendEntries of a new leader, or its heartbeat, makes a follower of it', () => {
  for (const type of ['append', 'heartbeat'] as const) {
    for (const term of [4, 6]) {
      const member = candidate({}, stored([], { term: 3 }));
      assert.deepEqual(roleAndTerm(member), ['candidate', 4]);
      member.receive(message(type, 3, term));
      assert.deepEqual([...roleAndTerm(member), member.core.status().leader], ['follower', term, 3]);
      // Votes that come in late elect it no more.
      member.receive(message('vote-response', 2, 4), message('vote-response', 3, 4));
      assert.equal(member.core.status().role, 'follower');
    }
  }
});

test('Figure 2, candidates: AppendEntries of an earlier leader is refused, and the campaign goes on (§5.2)', () => {
  const member = candidate({}, stored([], { term: 3 }));
  const [answer] = ofType(member.receive(append(3, [0, 0], [])), 'append-response');
  assert.deepEqual([answer?.accepted, answer?.term], [false, 4]);
  assert.deepEqual(roleAndTerm(member), ['candidate', 4]);
});

test('Figure 2, candidates: an election timeout that brings no decision starts a new election, by way of a pre-vote', () => {
  const member = candidate({ voters: [1, 2, 3, 4] });
  member.receive(message('vote-response', 2, 1));
  member.tick();
  // Not in a new term before a majority wants it: here it deviates as a follower does.
  assert.deepEqual(roleAndTerm(member), ['pre-candidate', 1]);
  const asked = ofType(
    member.receive(message('pre-vote-response', 2, 2), message('pre-vote-response', 3, 2)),
    'vote',
  );
  assert.deepEqual(
    asked.map(({ to, term }) => [to, term]),
    [
      [2, 2],
      [3, 2],
      [4, 2],
    ],
  );
  // Votes of the election before do not count in this one.
  member.receive(message('vote-response', 3, 1), message('vote-response', 4, 1));
  assert.deepEqual(roleAndTerm(member), ['candidate', 2]);
});
