import assert from 'node:assert/strict';
import { test } from 'node:test';
import { append, candidate, voteAnswers } from './testing/figures.ts';
import { ELECTION_TIMEOUT_MS, message, ofType, stored, TestMember } from './testing.ts';
import type { RaftEffects } from './types.ts';

/** The box "RequestVote RPC" of figure 2 of the extended Raft paper, as its receiver sees it. */

const preVoteAnswers = (effects: RaftEffects) =>
  ofType(effects, 'pre-vote-response').map(({ granted, term }) => [granted, term]);

/** Logs of a receiver and the last entry of a candidate, and which of the two is more up to date (§5.4.1). */
const comparisons = [
  { log: [], last: [0, 0], enough: true },
  { log: [], last: [3, 1], enough: true },
  { log: [1, 1], last: [2, 1], enough: true },
  { log: [1, 1], last: [3, 1], enough: true },
  { log: [1, 1], last: [1, 1], enough: false },
  // The later term wins, however long the logs are.
  { log: [1, 1, 1], last: [1, 2], enough: true },
  { log: [1, 2], last: [9, 1], enough: false },
  { log: [1], last: [0, 0], enough: false },
] as const;

test('Figure 2, RequestVote, receiver 1: a request of an earlier term is answered with false and the current term', () => {
  const member = new TestMember({}, stored([1], { term: 5 }));
  const effects = member.receive(message('vote', 2, 4, { lastIndex: 9, lastTerm: 4 }));
  assert.deepEqual(voteAnswers(effects), [[false, 5]]);
  assert.equal(effects.persist, undefined);
  // Nor did it use up the vote of this term.
  const later = member.receive(message('vote', 3, 5, { lastIndex: 1, lastTerm: 1 }));
  assert.deepEqual(voteAnswers(later), [[true, 5]]);
});

test('Figure 2, RequestVote, receiver 2: the vote goes to the first candidate of a term, and to no other in it', () => {
  const member = new TestMember();
  assert.deepEqual(voteAnswers(member.receive(message('vote', 2, 1))), [[true, 1]]);
  const better = message('vote', 3, 1, { lastIndex: 9, lastTerm: 1 });
  assert.deepEqual(voteAnswers(member.receive(better)), [[false, 1]]);
});

test('Figure 2, RequestVote, receiver 2: the candidate that has the vote gets it again when it asks again', () => {
  const member = new TestMember();
  for (let asked = 0; asked < 3; asked += 1) {
    assert.deepEqual(voteAnswers(member.receive(message('vote', 2, 1))), [[true, 1]]);
  }
});

test('Figure 2, RequestVote, receiver 2: a candidate has given its vote to itself', () => {
  const member = candidate();
  assert.deepEqual(voteAnswers(member.receive(message('vote', 2, 1, { lastIndex: 9, lastTerm: 9 }))), [
    [false, 1],
  ]);
});

test('Figure 2, RequestVote, receiver 2: no vote for a candidate whose log is less up to date than ours', () => {
  for (const { log, last, enough } of comparisons) {
    const member = new TestMember({}, stored(log, { term: 3 }));
    const request = message('vote', 2, 4, { lastIndex: last[0], lastTerm: last[1] });
    assert.deepEqual(voteAnswers(member.receive(request)), [[enough, 4]], `${log} against ${last}`);
    // A vote that was refused for that is still there for another.
    const other = message('vote', 3, 4, { lastIndex: 9, lastTerm: 3 });
    assert.deepEqual(voteAnswers(member.receive(other)), [[!enough, 4]]);
  }
});

test('Figure 2, RequestVote, receiver 2, where it deviates: no vote in a term whose leader is known', () => {
  // A majority has voted in it, so no second one can win; a vote could only be lost for the write that it costs.
  const member = new TestMember();
  member.receive(append(1, [0, 0], []));
  member.nowMs += 10 * ELECTION_TIMEOUT_MS;
  assert.deepEqual(voteAnswers(member.receive(message('vote', 3, 1))), [[false, 1]]);
});

test('Figure 2, RequestVote, where it deviates, pre-vote: it is refused exactly for the logs and terms that a vote is refused for', () => {
  for (const { log, last, enough } of comparisons) {
    const member = new TestMember({}, stored(log, { term: 3 }));
    const fields = { lastIndex: last[0], lastTerm: last[1] };
    const answers = preVoteAnswers(member.receive(message('pre-vote', 2, 4, fields)));
    assert.deepEqual(answers, [[enough, enough ? 4 : 3]], `${log} against ${last}`);
  }
  const ahead = new TestMember({}, stored([], { term: 5 }));
  assert.deepEqual(preVoteAnswers(ahead.receive(message('pre-vote', 2, 5))), [[false, 5]]);
});

test('Figure 2, RequestVote, where it deviates, pre-vote: granting it binds nobody and changes nothing, so it cannot elect', () => {
  const member = new TestMember();
  const deadlineMs = member.core.nextDeadlineMs();
  member.nowMs += 50;
  for (const rival of [2, 3]) {
    const effects = member.receive(message('pre-vote', rival, 1));
    assert.deepEqual(preVoteAnswers(effects), [[true, 1]]);
    assert.equal(effects.persist, undefined);
  }
  const { role, term } = member.core.status();
  assert.deepEqual([role, term], ['follower', 0]);
  assert.equal(member.core.nextDeadlineMs(), deadlineMs);
  assert.deepEqual(voteAnswers(member.receive(message('vote', 3, 1))), [[true, 1]]);
});

test('Figure 2, RequestVote, where it deviates, stickiness: who heard the leader within an election timeout ignores candidates and their terms (§6)', () => {
  // Otherwise one that cannot hear the leader, but can be heard, would depose it again and again.
  const member = new TestMember();
  member.receive(append(1, [0, 0], []));
  member.nowMs += ELECTION_TIMEOUT_MS - 1;
  assert.deepEqual(member.receive(message('vote', 3, 7)).messages, []);
  assert.deepEqual(preVoteAnswers(member.receive(message('pre-vote', 3, 7))), [[false, 1]]);
  assert.deepEqual([member.core.status().term, member.core.status().leader], [1, 2]);
  member.nowMs += 1;
  assert.deepEqual(voteAnswers(member.receive(message('vote', 3, 7))), [[true, 7]]);
});

test('Figure 2, RequestVote, where it deviates, stickiness: a candidate that the leader itself sends is answered at once', () => {
  const member = new TestMember();
  member.receive(append(1, [0, 0], []));
  assert.deepEqual(voteAnswers(member.receive(message('vote', 3, 2, { transfer: true }))), [[true, 2]]);
});
