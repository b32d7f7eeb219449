import assert from 'node:assert/strict';
import { test } from 'node:test';
import { append, candidate, entriesFrom, TestLeader } from './testing/figures.ts';
import { ELECTION_TIMEOUT_MS, message, ofType, stored, TestMember } from './testing.ts';
import type { RaftMessage, Role } from './types.ts';

/** The box "Rules for Servers" of figure 2 of the extended Raft paper: all servers, and followers. */

const indexes = (entries: readonly { readonly index: number }[]) => entries.map(({ index }) => index);

test('Figure 2, all servers: what is committed and not applied is applied, in order and once', () => {
  const member = new TestMember({}, stored([1, 1, 1, 1, 1]));
  const applied: number[][] = [];
  for (const commitIndex of [2, 2, 1, 3, 5]) {
    applied.push(indexes(member.receive(append(1, [5, 1], [], commitIndex)).committed));
  }
  assert.deepEqual(applied, [[1, 2], [], [], [3], [4, 5]]);
});

test('Figure 2, all servers, where it deviates: an entry is applied only when it is durable here too', () => {
  // So no state machine is ever ahead of the log that it is rebuilt from after a crash.
  const member = new TestMember({}, stored([], { term: 1 }));
  const held = member.stepHeld({ type: 'message', message: append(1, [0, 0], entriesFrom(1, 1), 1) });
  assert.equal(member.core.status().commitIndex, 1);
  assert.deepEqual(held.committed, []);
  const { committed } = member.stepHeld({ type: 'persisted', persistId: held.persist?.persistId ?? 0 });
  assert.deepEqual(indexes(committed), [1]);
});

/** Members of term 1 in each role. */
const members: readonly (readonly [Role, () => TestMember])[] = [
  ['follower', () => new TestMember({}, stored([1]))],
  [
    'pre-candidate',
    () => {
      const member = new TestMember({}, stored([1]));
      member.tick();
      return member;
    },
  ],
  ['candidate', () => candidate({}, stored([], { term: 0 }))],
  ['leader', () => new TestLeader().member],
];

/** Requests and answers of a later term. */
const later: readonly RaftMessage[] = [
  append(7, [0, 0], []),
  message('append-response', 2, 7, { accepted: false, session: 0 }),
  message('heartbeat', 2, 7),
  message('heartbeat-response', 2, 7, { session: 0 }),
  message('vote-response', 2, 7, { granted: false }),
  message('pre-vote-response', 2, 7, { granted: false }),
  message('read-index', 2, 7),
  message('read-index-response', 2, 7, { ok: false }),
];

for (const [role, create] of members) {
  test(`Figure 2, all servers: any request or answer of a later term makes a ${role} a follower in that term`, () => {
    const byCandidate = message('vote', 2, 7, { lastIndex: 9, lastTerm: 6, transfer: role === 'leader' });
    for (const each of [...later, byCandidate]) {
      const member = create();
      assert.deepEqual([member.core.status().role, member.core.status().term < 7], [role, true]);
      const { persist } = member.stepHeld({ type: 'message', message: each });
      assert.deepEqual([member.core.status().role, member.core.status().term], ['follower', 7], each.type);
      assert.equal(persist?.hardState?.term, 7);
      assert.equal(persist?.hardState?.votedFor, each.type === 'vote' ? 2 : 0);
    }
  });
}

test('Figure 2, all servers: the term of a candidate that is refused for its log is taken nevertheless', () => {
  const member = new TestMember({}, stored([1, 1]));
  const [answer] = ofType(member.receive(message('vote', 2, 7)), 'vote-response');
  assert.deepEqual([answer?.granted, answer?.term], [false, 7]);
  assert.deepEqual([member.core.status().role, member.core.status().term], ['follower', 7]);
});

test('Figure 2, all servers, where it deviates: the term of a pre-vote, which nobody is in yet, is not taken', () => {
  const member = new TestMember();
  member.receive(message('pre-vote', 2, 7));
  assert.equal(member.core.status().term, 0);
  const asking = new TestMember({ voters: [1, 2, 3, 4, 5] });
  asking.tick();
  asking.receive(message('pre-vote-response', 2, 1, { granted: true }));
  assert.deepEqual([asking.core.status().role, asking.core.status().term], ['pre-candidate', 0]);
});

test('Figure 2, all servers, where it deviates: a leader takes no term from a candidate, unless it sent that one itself', () => {
  // It gives up by itself when no majority follows it any more, so a candidate that is right does not wait for it.
  const { member } = new TestLeader();
  const request = message('vote', 3, 7, { lastIndex: 9, lastTerm: 6 });
  assert.deepEqual(member.receive(request).messages, []);
  assert.deepEqual([member.core.status().role, member.core.status().term], ['leader', 1]);
  member.after(ELECTION_TIMEOUT_MS);
  assert.equal(member.core.status().role, 'follower');
  assert.equal(ofType(member.receive(request), 'vote-response')[0]?.granted, true);
});

test('Figure 2, followers: calls from leaders and candidates are answered, to whom they came from', () => {
  const answer = (each: RaftMessage, member = new TestMember()) =>
    member.receive(each).messages.map(({ type, to, term }) => [type, to, term]);
  assert.deepEqual(answer(append(1, [0, 0], [])), [['append-response', 2, 1]]);
  assert.deepEqual(answer(append(1, [8, 1], [])), [['append-response', 2, 1]]);
  assert.deepEqual(answer(message('vote', 3, 1)), [['vote-response', 3, 1]]);
  assert.deepEqual(answer(message('pre-vote', 3, 1)), [['pre-vote-response', 3, 1]]);
  // The answer to a heartbeat that asks for nothing may be left to the next.
  const member = new TestMember();
  const beats = [1, 2].flatMap((readContext) => answer(message('heartbeat', 2, 1, { readContext }), member));
  assert.deepEqual(beats.at(-1), ['heartbeat-response', 2, 1]);
});

test('Figure 2, followers: nothing is sent but answers until an election timeout has passed', () => {
  const member = new TestMember({ random: () => 0 });
  for (let ms = 1; ms < ELECTION_TIMEOUT_MS; ms += 1) assert.deepEqual(member.after(1).messages, []);
  assert.equal(ofType(member.after(1), 'pre-vote').length, 2);
});

test('Figure 2, followers: an election timeout without the leader or a vote given makes a candidate, by way of a pre-vote', () => {
  const member = new TestMember({}, stored([1, 2]));
  assert.ok(member.core.nextDeadlineMs() >= member.nowMs + ELECTION_TIMEOUT_MS);
  assert.ok(member.core.nextDeadlineMs() < member.nowMs + 2 * ELECTION_TIMEOUT_MS);
  // Here it deviates: the term rises only when a majority says that it would vote (dissertation §9.6).
  const asked = ofType(member.tick(), 'pre-vote');
  assert.deepEqual(
    asked.map(({ to, term, lastIndex, lastTerm }) => [to, term, lastIndex, lastTerm]),
    [
      [2, 3, 2, 2],
      [3, 3, 2, 2],
    ],
  );
  assert.deepEqual([member.core.status().role, member.core.status().term], ['pre-candidate', 2]);
  member.receive(message('pre-vote-response', 3, 3));
  assert.deepEqual([member.core.status().role, member.core.status().term], ['candidate', 3]);
});

test('Figure 2, followers: calls of the current leader and a vote given each begin a new election timeout', () => {
  const postponing = [
    append(1, [0, 0], []),
    append(1, [9, 1], []),
    message('heartbeat', 2, 1),
    message('vote', 2, 1, { lastIndex: 2, lastTerm: 1 }),
  ];
  for (const each of postponing) {
    const member = new TestMember({ random: () => 0 }, stored([], { term: 1 }));
    member.nowMs += 60;
    member.receive(each);
    assert.equal(member.core.nextDeadlineMs(), member.nowMs + ELECTION_TIMEOUT_MS, each.type);
  }
});

test('Figure 2, followers: nothing else does: not a refused vote, a pre-vote, an answer, nor an earlier leader', () => {
  const others = [
    message('vote', 3, 3, { lastIndex: 1, lastTerm: 1 }),
    message('vote', 3, 1, { lastIndex: 2, lastTerm: 2 }),
    message('pre-vote', 3, 3, { lastIndex: 2, lastTerm: 2 }),
    message('heartbeat-response', 3, 2),
    message('vote-response', 3, 3, { granted: false }),
    append(1, [2, 2], []),
    message('heartbeat', 2, 1),
  ];
  const member = new TestMember({}, stored([1, 2]));
  const deadlineMs = member.core.nextDeadlineMs();
  for (const each of others) {
    member.nowMs += 5;
    member.receive(each);
    assert.equal(member.core.nextDeadlineMs(), deadlineMs, each.type);
  }
});
