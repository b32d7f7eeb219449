import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { append, logTerms, TestLeader } from './testing/figures.ts';
import { ELECTION_TIMEOUT_MS, entry, message, ofType, stored, TestMember } from './testing.ts';
import type { MemberId, RaftEffects } from './types.ts';

/** The box "Rules for Servers" of figure 2 of the extended Raft paper: leaders. */

const to = (effects: RaftEffects, peer: MemberId) =>
  ofType(effects, 'append').filter((each) => each.to === peer);
const indexes = (entries: readonly { readonly index: number }[]) => entries.map(({ index }) => index);

/** A leader whose followers have acknowledged its no-op. */
function settled(found = stored([]), voters: readonly MemberId[] = [1, 2, 3]): TestLeader {
  const leader = new TestLeader({ voters }, found);
  for (const peer of leader.first.keys()) {
    leader.member.receive(leader.accepted(peer, leader.member.core.status().lastIndex));
  }
  return leader;
}

test('Figure 2, leaders: AppendEntries goes to every other server as soon as it is elected', () => {
  const leader = new TestLeader({ voters: [1, 2, 3, 4, 5] }, stored([1, 1]));
  assert.deepEqual([...leader.first.keys()], [2, 3, 4, 5]);
  for (const each of leader.first.values()) {
    assert.deepEqual([each.term, each.previousIndex, each.previousTerm, each.commitIndex], [2, 2, 1, 0]);
  }
});

test('Figure 2, leaders, where it deviates: that first call is not empty, it brings the no-op that lets earlier entries be committed (§8)', () => {
  const leader = new TestLeader({}, stored([1, 1]));
  for (const each of leader.first.values()) assert.deepEqual(each.entries, [entry(3, 2, 'empty')]);
  leader.member.receive(leader.accepted(2, 3));
  assert.equal(leader.member.core.status().commitIndex, 3);
});

test('Figure 2, leaders: heartbeats go to each follower while it is idle, more often than an election timeout', () => {
  const { member } = settled();
  const lastMs = new Map<MemberId, number>([2, 3].map((peer) => [peer, member.nowMs]));
  for (let ticks = 0; ticks < 40; ticks += 1) {
    for (const beat of ofType(member.tick(), 'heartbeat')) {
      assert.ok(member.nowMs - (lastMs.get(beat.to) ?? 0) < ELECTION_TIMEOUT_MS);
      lastMs.set(beat.to, member.nowMs);
      const { session, sentAtMs } = beat;
      member.receive(message('heartbeat-response', beat.to, 1, { session, sentAtMs }));
    }
  }
  assert.equal(member.core.status().role, 'leader');
  assert.ok(member.nowMs - 1000 > 5 * ELECTION_TIMEOUT_MS);
  for (const atMs of lastMs.values()) assert.ok(member.nowMs - atMs < ELECTION_TIMEOUT_MS);
});

test('Figure 2, leaders, where it deviates: a heartbeat checks no entry, so it tells no commitIndex above the follower’s matchIndex', () => {
  const leader = settled();
  leader.member.propose('a');
  leader.member.receive(leader.accepted(2, 2));
  assert.deepEqual(
    ofType(leader.member.tick(), 'heartbeat').map((beat) => [beat.to, beat.commitIndex]),
    [
      [2, 2],
      [3, 1],
    ],
  );
});

test('Figure 2, leaders: a command is appended to the log and answered for once it is committed', () => {
  const leader = settled();
  const { member } = leader;
  const data = Uint8Array.of(7, 8, 9);
  const proposed = member.step({ type: 'propose', proposalId: 5, data });
  assert.deepEqual(proposed.proposalsAccepted, [{ proposalId: 5, index: 2, term: 1 }]);
  assert.deepEqual(member.core.entryAt(2), { index: 2, term: 1, kind: 'command', data });
  assert.deepEqual(
    proposed.persist?.entries.map(({ data: each }) => each),
    [data],
  );
  assert.deepEqual(proposed.committed, []);
  assert.deepEqual(member.receive(leader.accepted(2, 2)).committed, [member.core.entryAt(2)]);
  assert.deepEqual(member.receive(leader.accepted(3, 2)).committed, []);
});

test('Figure 2, leaders: nobody else takes a command', () => {
  const follower = new TestMember();
  follower.receive(append(1, [0, 0], []));
  const refused = follower.step({ type: 'propose', proposalId: 5, data: new Uint8Array(1) });
  assert.deepEqual(refused.proposalsRejected, [{ proposalId: 5, reason: 'not-leader' }]);
  assert.deepEqual([refused.proposalsAccepted, logTerms(follower)], [[], []]);
});

test('Figure 2, leaders: a follower that lacks entries is sent those from its nextIndex on', () => {
  const leader = settled();
  const sent = leader.member.propose('a');
  for (const peer of [2, 3]) {
    const [call] = to(sent, peer);
    assert.deepEqual([call?.previousIndex, call?.previousTerm, indexes(call?.entries ?? [])], [1, 1, [2]]);
  }
  // None that it has been sent, and none to one that lacks nothing.
  const next = leader.member.propose('b');
  assert.deepEqual(
    to(next, 2).map(({ entries }) => indexes(entries)),
    [[3]],
  );
  const rest = leader.member.receive(leader.accepted(2, 3));
  assert.deepEqual(
    to(rest, 2).flatMap(({ entries }) => entries),
    [],
  );
});

test('Figure 2, leaders: success moves that follower’s nextIndex and matchIndex, and no other’s', () => {
  const leader = new TestLeader({}, stored([1, 1, 1]));
  leader.member.receive(leader.accepted(2, 3));
  const { matchIndex, nextIndex } = leader.progress(2);
  assert.equal(matchIndex, 3);
  // It is sent the rest at once, without waiting for each answer (pipelining): nextIndex runs ahead of matchIndex.
  assert.equal(nextIndex, 5);
  assert.deepEqual([leader.progress(3).matchIndex, leader.progress(3).nextIndex], [0, 4]);
});

test('Figure 2, leaders: after a refusal nextIndex goes down and the call is tried again, until the logs agree', () => {
  const leader = new TestLeader({}, stored([1, 1, 1, 1]));
  const follower = new TestMember({}, stored([1], { term: 1 }));
  let call = leader.first.get(2);
  const tried: number[] = [];
  for (let round = 0; round < 9 && call !== undefined && leader.progress(2).matchIndex < 5; round += 1) {
    tried.push(call.previousIndex);
    // Both are member 1 of their own tests: each hears of the other as member 2.
    const [answer] = ofType(follower.receive({ ...call, from: 2, to: 1 }), 'append-response');
    if (answer === undefined) break;
    call = to(leader.member.receive({ ...answer, from: 2, to: 1 }), 2)[0];
  }
  assert.deepEqual(tried, [4, 1]);
  assert.deepEqual(logTerms(follower), [1, 1, 1, 1, 2]);
  assert.deepEqual([leader.progress(2).matchIndex, leader.progress(2).nextIndex], [5, 6]);
});

/** Two logs that agree up to some index and share no entry after it, as Raft's logs do (figure 3, Log Matching). */
const twoLogs = fc
  .record({
    common: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 6 }),
    leader: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 8 }),
    follower: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 8 }),
  })
  .map(({ common, leader, follower }) => {
    const sort = (terms: number[]) => terms.sort((left, right) => left - right);
    // After the common part, one has terms of even number and the other of odd.
    const begin = sort(common);
    const odd = sort(leader.map((each) => 5 + 2 * each));
    const even = sort(follower.map((each) => 4 + 2 * each));
    return { common: begin, leader: [...begin, ...odd], follower: [...begin, ...even] };
  });

test('Figure 2, leaders, where it deviates: refusals step back by whole terms, which needs no more calls than terms and deletes nothing that one by one would have kept', () => {
  fc.assert(
    fc.property(twoLogs, ({ common, leader: leads, follower: follows }) => {
      const leader = new TestLeader({}, stored(leads, { term: 20 }));
      const follower = new TestMember({}, stored(follows, { term: 20 }));
      let call = leader.first.get(2);
      let refusals = 0;
      let kept = follows.length;
      for (let round = 0; round < 20 && call !== undefined; round += 1) {
        const effects = follower.receive({ ...call, from: 2, to: 1 });
        kept = Math.min(kept, (effects.persist?.entries[0]?.index ?? Number.POSITIVE_INFINITY) - 1);
        const [answer] = ofType(effects, 'append-response');
        if (answer === undefined) break;
        if (!answer.accepted) refusals += 1;
        call = to(leader.member.receive({ ...answer, from: 2, to: 1 }), 2)[0];
      }
      assert.deepEqual(logTerms(follower), [...leads, 21]);
      assert.ok(kept >= common.length, `kept ${kept} of ${common.length} that both have`);
      const terms = new Set([...leads.slice(common.length), ...follows.slice(common.length)]).size;
      assert.ok(refusals <= terms + 1, `${refusals} refusals for ${terms} terms that differ`);
    }),
    { numRuns: 150 },
  );
});

test('Figure 2, leaders: commitIndex becomes the last entry of the current term that a majority holds, with all before it', () => {
  const reached = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(reached, fc.integer({ min: 0, max: 3 }), (matches, proposals) => {
      // Three entries of earlier terms, the no-op at 4, and then commands.
      const leader = new TestLeader({ voters: [1, 2, 3, 4, 5] }, stored([1, 2, 2]));
      for (let count = 0; count < proposals; count += 1) leader.member.propose('a');
      const last = 4 + proposals;
      const held = matches.map((match) => Math.min(match, last));
      for (const [position, match] of held.entries())
        leader.member.receive(leader.accepted(position + 2, match));
      let expected = 0;
      for (let index = 4; index <= last; index += 1) {
        if (1 + held.filter((match) => match >= index).length >= 3) expected = index;
      }
      assert.equal(leader.member.core.status().commitIndex, expected);
    }),
    { numRuns: 100 },
  );
});

test('Figure 2, leaders: an entry of an earlier term is not committed by counting, though all hold it (§5.4.2)', () => {
  const leader = new TestLeader({}, stored([1, 2]));
  for (const peer of [2, 3]) leader.member.receive(leader.accepted(peer, 2));
  assert.equal(leader.member.core.status().commitIndex, 0);
  const { committed } = leader.member.receive(leader.accepted(2, 3));
  assert.deepEqual(indexes(committed), [1, 2, 3]);
});

test('Figure 2, leaders, where it deviates: the leader counts itself only when its own write is durable, and others without it', () => {
  // It sends while it writes (dissertation §10.2.1): what its disk has not taken a crash could take back.
  const leader = settled();
  const held = leader.member.stepHeld({ type: 'propose', proposalId: 1, data: new Uint8Array(1) });
  assert.equal(ofType(held, 'append').length, 2);
  leader.member.stepHeld({ type: 'message', message: leader.accepted(2, 2) });
  assert.equal(leader.member.core.status().commitIndex, 1);
  leader.member.stepHeld({ type: 'persisted', persistId: held.persist?.persistId ?? 0 });
  assert.equal(leader.member.core.status().commitIndex, 2);

  leader.member.stepHeld({ type: 'propose', proposalId: 2, data: new Uint8Array(1) });
  for (const peer of [2, 3]) leader.member.stepHeld({ type: 'message', message: leader.accepted(peer, 3) });
  assert.equal(leader.member.core.status().commitIndex, 3);
});
