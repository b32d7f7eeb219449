import assert from 'node:assert/strict';
import { test } from 'node:test';
import { append, appendAnswers, entriesFrom, logTerms, written } from './testing/figures.ts';
import { message, ofType, stored, TestMember } from './testing.ts';
import { InvariantViolation } from './types.ts';

/** The box "AppendEntries RPC" of figure 2 of the extended Raft paper, as its receiver sees it. */

test('Figure 2, AppendEntries, arguments: leaderId tells a follower whom to send clients to', () => {
  const member = new TestMember();
  member.receive(message('append', 3, 2));
  assert.equal(member.core.status().leader, 3);
  const [forwarded] = ofType(member.step({ type: 'read', readId: 1 }), 'read-index');
  assert.equal(forwarded?.to, 3);
});

test('Figure 2, AppendEntries, receiver 1: a call of an earlier term is answered with false and the current term, and changes nothing', () => {
  const member = new TestMember({}, stored([1, 1], { term: 5 }));
  const deadlineMs = member.core.nextDeadlineMs();
  member.nowMs += 50;
  const effects = member.receive(append(4, [1, 1], entriesFrom(2, 4), 2));
  assert.deepEqual(appendAnswers(effects), [[false, 5]]);
  assert.deepEqual(logTerms(member), [1, 1]);
  const { term, leader, commitIndex } = member.core.status();
  assert.deepEqual([term, leader, commitIndex], [5, 0, 0]);
  assert.equal(member.core.nextDeadlineMs(), deadlineMs);
});

test('Figure 2, AppendEntries, receiver 1, where it deviates: a heartbeat is a message of its own and is refused in the same way', () => {
  const member = new TestMember({}, stored([1], { term: 5 }));
  const effects = member.receive(message('heartbeat', 2, 4, { commitIndex: 1 }));
  assert.deepEqual(appendAnswers(effects), [[false, 5]]);
  const { leader, commitIndex } = member.core.status();
  assert.deepEqual([leader, commitIndex], [0, 0]);
});

test('Figure 2, AppendEntries, receiver 2: false unless the log has an entry at prevLogIndex with prevLogTerm', () => {
  const cases: { previous: readonly [number, number]; accepted: boolean }[] = [
    { previous: [0, 0], accepted: true },
    { previous: [2, 1], accepted: true },
    { previous: [3, 2], accepted: true },
    // Another term there, older or newer than ours.
    { previous: [3, 1], accepted: false },
    { previous: [2, 2], accepted: false },
    // Nothing there.
    { previous: [4, 2], accepted: false },
    { previous: [9, 3], accepted: false },
  ];
  for (const { previous, accepted } of cases) {
    const member = new TestMember({}, stored([1, 1, 2], { term: 3 }));
    const [index] = previous;
    const effects = member.receive(append(3, previous, entriesFrom(index + 1, 3), index + 1));
    assert.deepEqual(appendAnswers(effects), [[accepted, 3]], `after entry ${previous}`);
    const expected = accepted ? [...[1, 1, 2].slice(0, index), 3] : [1, 1, 2];
    assert.deepEqual(logTerms(member), expected, `after entry ${previous}`);
    assert.equal(member.core.status().commitIndex, accepted ? index + 1 : 0);
  }
});

test('Figure 2, AppendEntries, receiver 2, where it deviates: the refusal names the last entry that can agree, never one before it', () => {
  // Of its own entries up to prevLogIndex, those of a term above prevLogTerm cannot be in the leader's log there: terms
  // do not fall along a log. All others might be, so none of them may be skipped (§5.3, last paragraphs).
  const log = [1, 1, 2, 2, 4, 4];
  for (const [previousIndex, previousTerm, hintIndex] of [
    [6, 3, 4],
    [6, 2, 4],
    [6, 1, 2],
    [5, 5, 5],
    [9, 9, 6],
  ] as const) {
    const member = new TestMember({}, stored(log, { term: 9 }));
    const [answer] = ofType(member.receive(append(9, [previousIndex, previousTerm], [])), 'append-response');
    assert.deepEqual(
      [answer?.accepted, answer?.matchIndex, answer?.hintIndex, answer?.hintTerm],
      [false, previousIndex, hintIndex, log[hintIndex - 1]],
    );
  }
});

test('Figure 2, AppendEntries, receiver 2, where it deviates: below its commit index a member does not look, it answers with what it has committed', () => {
  // A committed entry is in the log of every later leader (figure 3), so there is nothing to find out, and the member
  // may have compacted it. A leader that claims otherwise is no leader, and stops us.
  const member = new TestMember({}, stored([1, 1, 1, 1], { commitIndex: 3 }));
  const [answer] = ofType(member.receive(append(2, [1, 1], entriesFrom(2, 1))), 'append-response');
  assert.deepEqual([answer?.accepted, answer?.matchIndex], [true, 3]);
  assert.deepEqual(logTerms(member), [1, 1, 1, 1]);
  assert.throws(() => member.receive(append(2, [1, 1], entriesFrom(2, 2))), InvariantViolation);
});

test('Figure 2, AppendEntries, receiver 3: an entry that conflicts is deleted with all that follow it, on disk too', () => {
  const cases = [
    { log: [1, 2, 2, 2], previous: [1, 1], terms: [3], expected: [1, 3] },
    { log: [1, 2, 2, 2], previous: [0, 0], terms: [1, 3, 3], expected: [1, 3, 3] },
    { log: [1, 1, 1], previous: [2, 1], terms: [3], expected: [1, 1, 3] },
    { log: [2, 2], previous: [0, 0], terms: [1, 1, 1], expected: [1, 1, 1] },
  ] as const;
  for (const { log, previous, terms, expected } of cases) {
    const found = stored(log, { term: 4 });
    const member = new TestMember({}, found);
    const entries = entriesFrom(previous[0] + 1, ...terms);
    const { persist } = member.stepHeld({ type: 'message', message: append(4, previous, entries) });
    assert.deepEqual(logTerms(member), expected);
    assert.deepEqual(logTerms(new TestMember({}, written(found, persist))), expected);
  }
});

test('Figure 2, AppendEntries, receiver 3: without a conflict nothing is deleted, so a late shorter call takes nothing back', () => {
  const member = new TestMember({}, stored([1, 1, 1, 1]));
  for (const entries of [[], entriesFrom(2, 1), entriesFrom(2, 1, 1)]) {
    const held = member.stepHeld({ type: 'message', message: append(1, [1, 1], entries) });
    assert.deepEqual(logTerms(member), [1, 1, 1, 1]);
    assert.equal(held.persist, undefined);
  }
});

test('Figure 2, AppendEntries, receiver 4: entries not in the log are appended, those that are there are not again', () => {
  const member = new TestMember({}, stored([1, 1], { term: 2 }));
  const entries = entriesFrom(2, 1, 2, 2);
  const { persist } = member.stepHeld({ type: 'message', message: append(2, [1, 1], entries) });
  assert.deepEqual(logTerms(member), [1, 1, 2, 2]);
  assert.deepEqual(persist?.entries, entries.slice(1));
  assert.deepEqual(member.core.entryAt(4), entries[2]);
});

test('Figure 2, AppendEntries, receiver 5: commitIndex becomes the smaller of leaderCommit and the last new entry, if that is more', () => {
  const cases = [
    // The leader's, where the call vouches for more.
    { before: 0, entries: 3, leaderCommit: 2, after: 2 },
    // The last new entry, where the leader has committed more; what the log has beyond it may not be the leader's.
    { before: 0, entries: 1, leaderCommit: 5, after: 2 },
    { before: 0, entries: 0, leaderCommit: 5, after: 1 },
    // Never back.
    { before: 1, entries: 3, leaderCommit: 0, after: 1 },
  ];
  for (const { before, entries, leaderCommit, after } of cases) {
    const member = new TestMember({}, stored([1, 1, 1, 1, 1], { commitIndex: before }));
    const sent = entriesFrom(2, ...new Array<number>(entries).fill(1));
    member.receive(append(1, [1, 1], sent, leaderCommit));
    assert.equal(member.core.status().commitIndex, after);
  }
});

test('Figure 2, AppendEntries, receiver 5, where it deviates: a heartbeat vouches for no entry, so its commitIndex is what this follower is known to hold', () => {
  const member = new TestMember({}, stored([1, 1, 1]));
  member.receive(message('heartbeat', 2, 1, { commitIndex: 2 }));
  assert.equal(member.core.status().commitIndex, 2);
  assert.throws(() => member.receive(message('heartbeat', 2, 1, { commitIndex: 4 })), InvariantViolation);
});
