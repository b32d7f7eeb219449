import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeConfiguration } from './configuration.ts';
import { append, logTerms, TestLeader, voteAnswers } from './testing/figures.ts';
import { ELECTION_TIMEOUT_MS, message, ofType, stored, TestMember } from './testing.ts';
import type { Configuration, Entry, MembershipAnswer, RaftEffects, RaftEvent } from './types.ts';

/** Section 6 of the extended Raft paper and chapter 4 of the dissertation, rule by rule, on one member. */

type Change = RaftEvent & { type: 'change-membership' };

/** A leader of members 1 to `size` whose no-op everybody holds and all have applied. */
function settledLeader(voters: readonly number[] = [1, 2, 3], learners: readonly number[] = []): TestMember {
  const member = new TestMember({ configuration: { voters, ...(learners.length > 0 && { learners }) } });
  const sessions = ofType(member.elect(), 'append');
  for (const { to, session } of sessions) member.acknowledge(to, session);
  report(member);
  return member;
}

/** All that is committed is applied. */
function report(member: TestMember): RaftEffects {
  const { commitIndex } = member.core.status();
  return member.step({ type: 'applied', index: commitIndex });
}

function change(member: TestMember, target: Pick<Change, 'voters' | 'learners' | 'context'>): RaftEffects {
  const basedOn = member.core.status().configurationIndex;
  return member.step({ type: 'change-membership', changeId: 7, basedOn, ...target });
}

const sessionOf = (effects: RaftEffects, peer: number) =>
  ofType(effects, 'append').find(({ to }) => to === peer)?.session ?? 0;
const refused = (reason: string): MembershipAnswer[] =>
  [{ changeId: 7, ok: false, reason }] as MembershipAnswer[];

function changeTo(index: number, term: number, configuration: Configuration): Entry {
  return { index, term, kind: 'configuration', data: encodeConfiguration(configuration) };
}

/** Of the joint configuration of voters 1, 2, 3 and then 1, 4, 5: what it sent by that. */
function joint(): { readonly member: TestMember; readonly sent: RaftEffects } {
  const member = settledLeader();
  return { member, sent: change(member, { voters: [1, 4, 5] }) };
}

test('§6: log entries are replicated to all servers in both configurations', () => {
  const { member, sent } = joint();
  assert.deepEqual(member.core.status().configuration, { voters: [1, 4, 5], outgoing: [1, 2, 3] });
  const to = ofType(sent, 'append').map((each) => each.to);
  assert.deepEqual(to.toSorted(), [2, 3, 4, 5]);
});

test('§6: agreement for entry commitment requires separate majorities from both the old and the new configuration', () => {
  const { member, sent } = joint();
  member.acknowledge(4, sessionOf(sent, 4));
  member.acknowledge(5, sessionOf(sent, 5));
  assert.equal(member.core.status().commitIndex, 1);
  member.acknowledge(2, sessionOf(sent, 2));
  assert.equal(member.core.status().commitIndex, 2);
});

test('§6: agreement for elections requires separate majorities from both the old and the new configuration', () => {
  const log = [changeTo(1, 1, { voters: [1, 4, 5], outgoing: [1, 2, 3] })];
  for (const [voters, role] of [
    [[2, 3], 'candidate'],
    [[4, 5], 'candidate'],
    [[3, 5], 'leader'],
  ] as const) {
    const member = new TestMember({}, { ...stored([]), hardState: hardState(1), entries: log });
    member.tick();
    member.receive(...[2, 3, 4, 5].map((voter) => message('pre-vote-response', voter, 2)));
    member.receive(...voters.map((voter) => message('vote-response', voter, 2)));
    assert.equal(member.core.status().role, role, `votes of ${voters}`);
  }
});

test('§6: it is lost when either majority is out of reach', () => {
  const log = [changeTo(1, 1, { voters: [1, 4, 5], outgoing: [1, 2, 3] })];
  const member = new TestMember({}, { ...stored([]), hardState: hardState(1), entries: log });
  member.tick();
  member.receive(...[2, 3, 4, 5].map((voter) => message('pre-vote-response', voter, 2)));
  member.receive(...[4, 5].map((voter) => message('vote-response', voter, 2, { granted: false })));
  assert.equal(member.core.status().role, 'follower');
});

test('§6: once C-old,new is committed and applied, the leader creates C-new, and needs the new majority alone', () => {
  const { member, sent } = joint();
  for (const peer of [2, 4]) member.acknowledge(peer, sessionOf(sent, peer));
  assert.equal(member.core.status().configurationIndex, 2);
  report(member);
  assert.deepEqual(member.core.status().configuration, { voters: [1, 4, 5] });
  assert.equal(member.core.status().configurationIndex, 3);
  member.acknowledge(5, sessionOf(sent, 5));
  assert.equal(member.core.status().commitIndex, 3);
});

test('§6: a leader that finds C-old,new in its log and commits it leaves it as well', () => {
  const log = [changeTo(1, 1, { voters: [1, 4, 5], outgoing: [1, 2, 3] })];
  const member = new TestMember({}, { ...stored([]), hardState: hardState(1), entries: log });
  member.tick();
  member.receive(...[2, 3, 4, 5].map((voter) => message('pre-vote-response', voter, 2)));
  const elected = member.receive(...[3, 5].map((voter) => message('vote-response', voter, 2)));
  for (const peer of [3, 5]) member.acknowledge(peer, sessionOf(elected, peer));
  report(member);
  assert.deepEqual(member.core.status().configuration, { voters: [1, 4, 5] });
});

test('§6: a server always uses the latest configuration in its log, regardless of whether the entry is committed', () => {
  const member = new TestMember();
  const configuration = { voters: [2, 3, 4], context: Uint8Array.of(1) };
  const effects = member.receive(append(1, [0, 0], [changeTo(1, 1, configuration)]));
  assert.deepEqual(effects.configuration, { index: 1, configuration });
  assert.equal(member.core.status().commitIndex, 0);
  // Another leader's log takes it back (dissertation §4.1).
  const other = { index: 1, term: 2, kind: 'empty', data: new Uint8Array(0) } as const;
  const taken = member.receive(append(2, [0, 0], [other]));
  assert.deepEqual(taken.configuration, { index: 0, configuration: { voters: [1, 2, 3] } });
  assert.deepEqual(logTerms(member), [2]);
});

test('§6: new servers join as non-voting members, who get entries and are not considered for majorities', () => {
  const member = settledLeader([1, 2], []);
  const sent = change(member, { voters: [1, 2], learners: [3] });
  assert.ok(sessionOf(sent, 3) > 0);
  member.acknowledge(3, sessionOf(sent, 3));
  assert.equal(member.core.status().commitIndex, 1);
  member.acknowledge(2, 1);
  assert.equal(member.core.status().commitIndex, 2);
});

test('§6: a non-voting member never campaigns, and votes when a candidate asks it (etcd-io/etcd#10998)', () => {
  const learner = new TestMember({ configuration: { voters: [2, 3], learners: [1] } });
  learner.receive(message('heartbeat', 2, 1));
  learner.after(5 * ELECTION_TIMEOUT_MS);
  assert.equal(learner.core.status().role, 'follower');
  assert.equal(learner.core.nextDeadlineMs(), Number.POSITIVE_INFINITY);
  // It may be a voter by now and not know it; the candidate knows whether its vote counts.
  assert.deepEqual(voteAnswers(learner.receive(message('vote', 3, 2))), [[true, 2]]);
});

test('§6: a candidate or leader that a server has not heard of is answered (dissertation §4.1)', () => {
  const member = new TestMember();
  assert.deepEqual(voteAnswers(member.receive(message('vote', 9, 1))), [[true, 1]]);
  assert.equal(ofType(member.receive(message('append', 9, 1)), 'append-response')[0]?.accepted, true);
  assert.equal(member.core.status().leader, 9);
});

test('§6: votes and acknowledgements of those who are no members count for nothing', () => {
  const member = new TestMember();
  member.tick();
  member.receive(...[8, 9].map((voter) => message('pre-vote-response', voter, 1)));
  assert.equal(member.core.status().role, 'pre-candidate');
  const leading = settledLeader();
  leading.propose('a');
  leading.acknowledge(9, 1);
  assert.equal(leading.core.status().commitIndex, 1);
});

test('§6: a removed server’s requests for votes are disregarded while a leader is heard', () => {
  const member = new TestMember();
  const { entries } = { entries: [changeTo(1, 1, { voters: [1, 2] })] };
  member.receive(append(1, [0, 0], entries, 1));
  for (const type of ['pre-vote', 'vote'] as const) {
    const answers = member.receive(message(type, 3, 5, { lastIndex: 9, lastTerm: 4 })).messages;
    assert.ok(!answers.some((answer) => 'granted' in answer && answer.granted));
    assert.equal(member.core.status().term, 1);
  }
});

test('§6: a leader that is not part of C-new does not count itself, hands over once that is committed, and steps down', () => {
  const member = settledLeader();
  change(member, { voters: [2, 3] });
  assert.equal(member.core.status().commitIndex, 1);
  assert.deepEqual(ofType(member.acknowledge(2, 1), 'timeout-now'), []);
  const done = member.acknowledge(3, 2);
  assert.equal(member.core.status().commitIndex, 2);
  assert.equal(ofType(done, 'timeout-now').length, 1);
  const effects = member.after(ELECTION_TIMEOUT_MS);
  assert.equal(effects.state?.role, 'follower');
  member.after(10 * ELECTION_TIMEOUT_MS);
  assert.equal(member.core.status().role, 'follower');
});

test('one whose removal may not be committed may lead still, since nobody else may have the entry (dissertation §4.2.2)', () => {
  const entries = [changeTo(1, 1, { voters: [2] })];
  const member = new TestMember({ voters: [1, 2] }, { ...stored([]), hardState: hardState(1), entries });
  member.tick();
  member.receive(message('pre-vote-response', 2, 2));
  assert.equal(member.core.status().role, 'candidate');
  member.receive(message('vote-response', 2, 2));
  assert.equal(member.core.status().role, 'leader');
});

test('who is removed gets the entry that says so only once it is committed', () => {
  const member = settledLeader();
  const sent = change(member, { voters: [1, 2] });
  assert.ok(!ofType(sent, 'append').some(({ to, entries }) => to === 3 && entries.length > 0));
  const committed = member.acknowledge(2, 1);
  const told = ofType(committed, 'append').filter(({ to }) => to === 3);
  assert.deepEqual(
    told.map(({ entries, commitIndex }) => [entries.map(({ index }) => index), commitIndex]),
    [[[2], 2]],
  );
  member.acknowledge(3, 2);
  member.tick();
  assert.deepEqual(
    member.core.status().peers.map(({ peer }) => peer),
    [2],
  );
});

test('what a removed member acknowledged does not count when it is added again (tikv/raft-rs#571)', () => {
  const member = settledLeader();
  change(member, { voters: [1, 2] });
  member.acknowledge(2, 1);
  report(member);
  change(member, { voters: [1, 2, 3] });
  member.acknowledge(3, 2);
  const found = member.core.status().peers.find(({ peer }) => peer === 3);
  assert.equal(found?.matchIndex, 0);
  assert.equal(member.core.status().commitIndex, 2);
});

test('a change is refused until something of the leader’s own term is committed (dissertation §4.1, corrected 2015)', () => {
  const { member } = new TestLeader();
  assert.deepEqual(change(member, { voters: [1, 2] }).changes, refused('not-ready'));
});

test('a change is refused while the one before is not committed, and not applied (etcd-io/etcd#7625)', () => {
  const member = settledLeader();
  change(member, { voters: [1, 2, 3, 4] });
  assert.deepEqual(change(member, { voters: [1, 2, 3] }).changes, refused('in-progress'));
  member.acknowledge(2, 1);
  member.acknowledge(3, 2);
  assert.equal(member.core.status().commitIndex, 2);
  assert.deepEqual(change(member, { voters: [1, 2, 3] }).changes, refused('in-progress'));
  report(member);
  assert.deepEqual(change(member, { voters: [1, 2, 3] }).changes, []);
  assert.deepEqual(member.core.status().configuration, { voters: [1, 2, 3] });
});

test('a change that makes no sense, comes late or to the wrong member is refused', () => {
  const member = settledLeader();
  for (const voters of [[], [1, 1], [0], [1.5]])
    assert.deepEqual(change(member, { voters }).changes, refused('invalid'), `voters ${voters}`);
  assert.deepEqual(change(member, { voters: [1], learners: [1] }).changes, refused('invalid'));
  const late = { type: 'change-membership', changeId: 7, basedOn: 5, voters: [1, 2] } as const;
  assert.deepEqual(member.step(late).changes, refused('outdated'));
  assert.deepEqual(change(new TestMember(), { voters: [1, 2] }).changes, refused('not-leader'));
  assert.equal(member.core.status().lastIndex, 1);
});

test('a change stands, and is answered, once a quorum of the configuration before it holds it', () => {
  const alone = settledLeader([1]);
  const { changes } = change(alone, { voters: [1, 2] });
  // The second member is started only when it is told that it is one; until then nothing is committed.
  assert.deepEqual(changes, [{ changeId: 7, ok: true, index: 2, term: 1 }]);
  assert.equal(alone.core.status().commitIndex, 1);
  const three = settledLeader();
  assert.deepEqual(change(three, { voters: [1, 2, 3, 4] }).changes, []);
  assert.equal(three.acknowledge(2, 1).changes.length, 1);
});

test('a change whose leader is deposed before it stands is answered by that', () => {
  const member = settledLeader();
  change(member, { voters: [1, 2, 3, 4] });
  const { changes } = member.receive(message('append', 2, 5));
  assert.deepEqual(changes, refused('leader-changed'));
});

test('a learner is promoted when it holds nine tenths of the log', () => {
  const member = settledLeader([1, 2], [3]);
  for (let count = 0; count < 18; count += 1) member.propose('x');
  const { lastIndex } = member.core.status();
  assert.equal(lastIndex, 19);
  const promote = () => change(member, { voters: [1, 2, 3] }).changes;
  // Its session is the second that this leader began.
  member.receive(message('append-response', 3, 1, { matchIndex: 17, session: 2 }));
  assert.deepEqual(promote(), refused('not-caught-up'));
  member.receive(message('append-response', 3, 1, { matchIndex: 18, session: 2 }));
  assert.deepEqual(promote(), []);
  assert.deepEqual(member.core.status().configuration, { voters: [1, 2, 3] });
});

test('leadership is not handed to a learner', () => {
  const member = settledLeader([1, 2], [3]);
  assert.deepEqual(member.step({ type: 'transfer', target: 3 }).transfer, { target: 3, ok: false });
  assert.equal(ofType(member.step({ type: 'transfer', target: 0 }), 'timeout-now')[0]?.to, 2);
});

test('a read is confirmed by both majorities of a joint configuration, and what remains of one confirms what waits', () => {
  const { member } = joint();
  member.step({ type: 'read', readId: 1 });
  const acknowledge = (peer: number) =>
    member.receive(message('heartbeat-response', peer, 1, { readContext: 1 }));
  assert.deepEqual([...acknowledge(2).readsReady, ...acknowledge(3).readsReady], []);
  assert.deepEqual(acknowledge(4).readsReady, [{ readId: 1, index: 1 }]);
  const two = settledLeader([1, 2]);
  two.step({ type: 'read', readId: 1 });
  assert.deepEqual(change(two, { voters: [1] }).readsReady, [{ readId: 1, index: 1 }]);
});

test('a silent majority of either configuration ends a leadership', () => {
  const { member } = joint();
  for (let waited = 0; waited < 2 * ELECTION_TIMEOUT_MS; waited += 10) {
    member.after(10);
    member.receive(...[2, 3].map((peer) => message('heartbeat-response', peer, 1, { session: peer - 1 })));
  }
  assert.equal(member.core.status().role, 'follower');
});

test('a snapshot carries the configuration as of its own index, not the latest', () => {
  const member = settledLeader();
  change(member, { voters: [1, 2] });
  assert.deepEqual(member.core.configurationAt(1), { voters: [1, 2, 3] });
  assert.deepEqual(member.core.configurationAt(2), { voters: [1, 2] });
});

test('a member that joins knows of no voters, and follows whoever leads it', () => {
  const member = new TestMember({ voters: [] });
  assert.equal(member.core.nextDeadlineMs(), Number.POSITIVE_INFINITY);
  member.receive(append(4, [0, 0], [changeTo(1, 4, { voters: [1, 2] })], 1));
  assert.equal(member.core.status().commitIndex, 1);
  member.after(3 * ELECTION_TIMEOUT_MS);
  assert.equal(member.core.status().role, 'pre-candidate');
});

function hardState(term: number) {
  return { term, votedFor: 0, commitIndex: 0 };
}
