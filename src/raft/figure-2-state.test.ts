import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  append,
  appendAnswers,
  entriesFrom,
  logTerms,
  TestLeader,
  voteAnswers,
  written,
} from './testing/figures.ts';
import { entry, message, ofType, stored, TestMember } from './testing.ts';

/** The box "State" of figure 2 of the extended Raft paper. */

test('Figure 2, State, persistent: currentTerm is durable before anything tells it, and a restart knows it', () => {
  const empty = stored([]);
  const held = new TestMember({}, empty).stepHeld({ type: 'message', message: append(5, [0, 0], []) });
  assert.deepEqual(held.messages, []);
  assert.equal(held.messagesAfterPersist.length, 1);
  assert.equal(held.persist?.mustSync, true);

  const restarted = new TestMember({}, written(empty, held.persist));
  assert.equal(restarted.core.status().term, 5);
  assert.deepEqual(appendAnswers(restarted.receive(append(4, [0, 0], []))), [[false, 5]]);
});

test('Figure 2, State, persistent: votedFor is durable before the vote is sent, and binds after a restart', () => {
  const empty = stored([]);
  const held = new TestMember({}, empty).stepHeld({ type: 'message', message: message('vote', 2, 1) });
  assert.deepEqual(held.messages, []);
  assert.deepEqual(
    held.messagesAfterPersist.map(({ type, to }) => [type, to]),
    [['vote-response', 2]],
  );

  const restarted = new TestMember({}, written(empty, held.persist));
  assert.deepEqual(voteAnswers(restarted.receive(message('vote', 3, 1))), [[false, 1]]);
  assert.deepEqual(voteAnswers(restarted.receive(message('vote', 2, 1))), [[true, 1]]);
});

test('Figure 2, State, persistent: votedFor is empty again in each new term', () => {
  const member = new TestMember({}, stored([], { term: 3, votedFor: 2 }));
  assert.deepEqual(voteAnswers(member.receive(message('vote', 3, 3))), [[false, 3]]);
  assert.deepEqual(voteAnswers(member.receive(message('vote', 3, 4))), [[true, 4]]);
});

test('Figure 2, State, persistent: log[] is durable before entries are acknowledged, and a restart has them', () => {
  const found = stored([1, 1], { term: 2 });
  const member = new TestMember({}, found);
  const held = member.stepHeld({ type: 'message', message: append(2, [1, 1], entriesFrom(2, 2, 2)) });
  assert.deepEqual(held.messages, []);
  const acknowledged = ofType({ ...held, messages: held.messagesAfterPersist }, 'append-response');
  assert.deepEqual(
    acknowledged.map(({ accepted, matchIndex }) => [accepted, matchIndex]),
    [[true, 3]],
  );
  assert.deepEqual(logTerms(new TestMember({}, written(found, held.persist))), [1, 2, 2]);
});

test('Figure 2, State, volatile: commitIndex begins at 0 and never falls', () => {
  const member = new TestMember({}, stored([1, 1, 1]));
  const commits = [member.core.status().commitIndex];
  for (const commitIndex of [2, 1, 3, 0]) {
    member.receive(append(1, [3, 1], [], commitIndex));
    commits.push(member.core.status().commitIndex);
  }
  assert.deepEqual(commits, [0, 2, 2, 3, 3]);
});

test('Figure 2, State, volatile: commitIndex, where it deviates: a restart begins at what the disk noted, as far as there is a log', () => {
  // What was committed stays so, therefore a noted index is still true; the note goes along with the next write.
  const member = new TestMember({}, stored([1, 1, 1]));
  assert.equal(member.step({ type: 'message', message: append(1, [3, 1], [], 2) }).persist, undefined);
  const { persist } = member.stepHeld({ type: 'message', message: append(1, [3, 1], [entry(4, 1)], 2) });
  assert.equal(persist?.hardState?.commitIndex, 2);
  assert.equal(new TestMember({}, stored([1, 1, 1], { commitIndex: 2 })).core.status().commitIndex, 2);
  assert.equal(new TestMember({}, stored([1], { commitIndex: 2 })).core.status().commitIndex, 1);
});

test('Figure 2, State, volatile: lastApplied begins at 0, so a restart applies all over again, and never falls', () => {
  const member = new TestMember({}, stored([1, 1, 1], { commitIndex: 2 }));
  assert.equal(member.core.status().appliedIndex, 0);
  assert.deepEqual(
    member.step().committed.map(({ index }) => index),
    [1, 2],
  );
  member.step({ type: 'applied', index: 2 });
  member.step({ type: 'applied', index: 1 });
  assert.equal(member.core.status().appliedIndex, 2);
});

test('Figure 2, State, leaders: nextIndex begins right after the last entry that the leader has when elected', () => {
  const leader = new TestLeader({}, stored([1, 1, 2]));
  for (const peer of [2, 3]) {
    assert.equal(leader.progress(peer).nextIndex, 4);
    const { previousIndex, previousTerm } = leader.first.get(peer) ?? {};
    assert.deepEqual([previousIndex, previousTerm], [3, 2]);
  }
});

test('Figure 2, State, leaders: matchIndex begins at 0 and never falls', () => {
  const leader = new TestLeader({}, stored([1, 1, 2]));
  const matches = [leader.progress(2).matchIndex];
  for (const matchIndex of [3, 1, 4, 2]) {
    leader.member.receive(leader.accepted(2, matchIndex));
    matches.push(leader.progress(2).matchIndex);
  }
  assert.deepEqual(matches, [0, 3, 3, 4, 4]);
  assert.equal(leader.progress(3).matchIndex, 0);
});

test('Figure 2, State, leaders: nextIndex and matchIndex begin anew after each election', () => {
  const leader = new TestLeader({}, stored([1, 1, 2]));
  const late = leader.accepted(2, 4);
  leader.member.receive(late);
  assert.deepEqual([leader.progress(2).matchIndex, leader.progress(2).nextIndex], [4, 5]);
  const next = { previousIndex: 4, previousTerm: 3, entries: entriesFrom(5, 4) };
  leader.member.receive(message('append', 3, 4, next));
  const again = new TestLeader({}, stored([]), leader.member);
  assert.equal(again.term, 5);
  assert.deepEqual([again.progress(2).matchIndex, again.progress(2).nextIndex], [0, 6]);
  // Nor does what was acknowledged to the leader of an earlier term count for this one.
  again.member.receive(late);
  assert.equal(again.progress(2).matchIndex, 0);
});
