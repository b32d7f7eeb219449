import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entry, message, ofType, stored, TestMember } from './testing.ts';
import { InvariantViolation, type RaftMessage } from './types.ts';

/** A leader of term 1 with its no-op committed on all three. */
function leader(options: ConstructorParameters<typeof TestMember>[0] = {}): TestMember {
  const member = new TestMember(options);
  const appends = ofType(member.elect(), 'append');
  for (const { to, session } of appends) member.acknowledge(to, session);
  return member;
}
/** Of the leader's two followers, in the order of its sessions with them. */
const SESSIONS = { 2: 1, 3: 2 } as const;
const peer = (member: TestMember, id: number) => {
  const found = member.core.status().peers.find(({ peer: each }) => each === id);
  if (found === undefined) throw new Error(`no peer ${id}`);
  return found;
};

describe('a leader', () => {
  test('sends entries while its own write is in flight, and counts itself only when that is durable (§10.2.1)', () => {
    const member = leader();
    const data = new Uint8Array(1);
    const held = member.stepHeld({ type: 'propose', proposalId: 7, data });
    assert.deepEqual(held.proposalsAccepted, [{ proposalId: 7, index: 2, term: 1 }]);
    assert.equal(ofType(held, 'append').length, 2);
    assert.equal(held.persist?.entries.length, 1);
    member.stepHeld({
      type: 'message',
      message: message('append-response', 2, 1, { matchIndex: 2, session: 1 }),
    });
    assert.equal(member.core.status().commitIndex, 1);
    const { committed } = member.stepHeld({ type: 'persisted', persistId: held.persist?.persistId ?? 0 });
    assert.deepEqual(
      committed.map(({ index }) => index),
      [2],
    );
  });

  test('commits on a majority without itself, but hands out only what is durable here too', () => {
    const member = leader();
    const held = member.stepHeld({ type: 'propose', proposalId: 7, data: new Uint8Array(1) });
    for (const from of [2, 3] as const) {
      const response = message('append-response', from, 1, { matchIndex: 2, session: SESSIONS[from] });
      assert.deepEqual(member.stepHeld({ type: 'message', message: response }).committed, []);
    }
    assert.equal(member.core.status().commitIndex, 2);
    const { committed } = member.stepHeld({ type: 'persisted', persistId: held.persist?.persistId ?? 0 });
    assert.deepEqual(
      committed.map(({ index }) => index),
      [2],
    );
  });

  test('commits no entry of an earlier term by counting, only with one of its own (§5.4.2)', () => {
    const member = new TestMember({}, stored([1, 1]));
    const [first] = ofType(member.elect(), 'append');
    const session = first?.session ?? 0;
    member.receive(message('append-response', 2, 2, { matchIndex: 2, session }));
    assert.equal(member.core.status().commitIndex, 0);
    member.receive(message('append-response', 2, 2, { matchIndex: 3, session }));
    assert.equal(member.core.status().commitIndex, 3);
  });

  test('sends all proposals of one turn in one message for each follower', () => {
    const member = leader();
    const propose = (proposalId: number) =>
      ({ type: 'propose', proposalId, data: new Uint8Array(9) }) as const;
    const appends = ofType(member.step(propose(1), propose(2), propose(3)), 'append');
    assert.deepEqual(
      appends.map(({ entries }) => entries.length),
      [3, 3],
    );
  });

  test('tells what is committed with the next entries, or at once when there are none, and wants no answer', () => {
    const member = leader();
    member.propose('a');
    const { messages } = member.acknowledge(2, 1);
    assert.deepEqual(
      messages.map((each) => each.type === 'heartbeat' && [each.to, each.commitIndex, each.wantsAnswer]),
      [[2, 2, false]],
    );
    assert.equal(member.core.hasEffects, false);
    member.stepHeld({ type: 'propose', proposalId: 2, data: new Uint8Array(1) });
    member.stepHeld({
      type: 'message',
      message: message('append-response', 2, 1, { matchIndex: 3, session: 1 }),
    });
    const late = {
      type: 'message',
      message: message('append-response', 3, 1, { matchIndex: 3, session: 2 }),
    } as const;
    const next = member.stepHeld(late, { type: 'propose', proposalId: 3, data: new Uint8Array(1) });
    assert.deepEqual(
      next.messages.map((each) => each.type === 'append' && [each.to, each.commitIndex]),
      [
        [2, 3],
        [3, 3],
      ],
    );
  });

  test('tells nobody twice what is committed', () => {
    const member = leader();
    member.propose('a');
    member.step(
      { type: 'message', message: message('append-response', 2, 1, { matchIndex: 2, session: 1 }) },
      { type: 'read', readId: 1 },
    );
    assert.equal(member.core.hasEffects, false);
    assert.deepEqual(member.step({ type: 'tick' }).messages, []);
  });

  test('bounds what is in flight by messages and by bytes', () => {
    const byCount = leader({ maxInflightAppends: 2 });
    const byBytes = leader({ maxInflightBytes: 60 });
    for (const member of [byCount, byBytes]) {
      assert.equal(ofType(member.propose('a'), 'append').length, 2);
      assert.equal(ofType(member.propose('b'), 'append').length, 2);
      assert.equal(ofType(member.propose('c'), 'append').length, 0);
      const sent = ofType(
        member.receive(message('append-response', 2, 1, { matchIndex: 3, session: 1 })),
        'append',
      );
      assert.deepEqual(
        sent.filter(({ to }) => to === 2).map(({ entries }) => entries.map(({ index }) => index)),
        [[4]],
      );
    }
  });

  test('cuts messages by bytes, one entry at least', () => {
    const member = leader({ maxAppendBytes: 70 });
    const propose = (proposalId: number, size: number) =>
      ({ type: 'propose', proposalId, data: new Uint8Array(size) }) as const;
    const appends = ofType(
      member.step(propose(1, 500), propose(2, 1), propose(3, 1), propose(4, 1)),
      'append',
    );
    assert.deepEqual(
      appends.filter(({ to }) => to === 2).map(({ entries }) => entries.length),
      [1, 2, 1],
    );
  });

  test('goes back by whole terms where a log differs (§5.3)', () => {
    const member = new TestMember({}, stored([1, 1, 1, 4, 4, 5, 5, 6, 6, 6]));
    const session = ofType(member.elect(), 'append')[0]?.session ?? 0;
    const reject = message('append-response', 2, 7, {
      accepted: false,
      matchIndex: 10,
      hintIndex: 9,
      hintTerm: 3,
      session,
    });
    const [probe] = ofType(member.receive(reject), 'append');
    assert.equal(probe?.previousIndex, 3);
  });

  test('sends one probe and then waits; the answer to a heartbeat lets it try again', () => {
    const member = new TestMember();
    member.elect();
    assert.equal(ofType(member.propose('a'), 'append').length, 0);
    const resent = ofType(member.receive(message('heartbeat-response', 2, 1, { session: 1 })), 'append');
    assert.deepEqual(
      resent.map(({ to, entries }) => [to, entries.length]),
      [[2, 2]],
    );
  });

  test('learns of a lost last message by the answer to a heartbeat', () => {
    const member = leader();
    member.propose('a');
    const [question] = ofType(member.receive(message('heartbeat-response', 2, 1, { session: 1 })), 'append');
    assert.deepEqual([question?.previousIndex, question?.entries.length], [2, 0]);
    const reject = message('append-response', 2, 1, {
      accepted: false,
      matchIndex: 2,
      hintIndex: 1,
      hintTerm: 1,
      session: 1,
    });
    const [again] = ofType(member.receive(reject), 'append');
    assert.deepEqual([again?.previousIndex, again?.entries.map(({ index }) => index)], [1, [2]]);
  });

  test('does not believe an acknowledgement of another session (openraft#1802, raft-rs#571)', () => {
    const member = leader();
    member.propose('a');
    member.step({ type: 'peer-disconnected', peer: 2 });
    member.acknowledge(2, 1);
    assert.equal(peer(member, 2).matchIndex, 0);
    assert.equal(peer(member, 2).recentlyActive, true);
  });

  test('knows nothing of what a follower holds that has just connected, and brings all to one without its disk', () => {
    const member = leader();
    member.propose('a');
    member.acknowledge(2, 1);
    member.step({ type: 'peer-disconnected', peer: 2 });
    let [probe] = ofType(member.step({ type: 'peer-connected', peer: 2 }), 'append');
    assert.deepEqual([probe?.previousIndex, probe?.commitIndex], [2, 2]);
    assert.deepEqual([peer(member, 2).matchIndex, member.core.status().commitIndex], [0, 2]);
    const empty = new TestMember();
    for (const beat of ofType(member.tick(), 'heartbeat'))
      if (beat.to === 2) empty.receive({ ...beat, from: 2, to: 1 });
    for (let round = 0; round < 2; round += 1) {
      const answers: RaftMessage[] = ofType(
        empty.receive({ ...(probe as RaftMessage), from: 2, to: 1 }),
        'append-response',
      );
      [probe] = ofType(member.receive({ ...(answers[0] as RaftMessage), from: 2, to: 1 }), 'append');
    }
    assert.deepEqual([peer(member, 2).matchIndex, empty.core.status().commitIndex], [2, 2]);
  });

  test('counts what a follower held before its connection broke only when it says so again', () => {
    const member = leader();
    member.propose('a');
    member.acknowledge(2, 1);
    const { commitIndex } = member.core.status();
    for (const id of [2, 3]) member.step({ type: 'peer-connected', peer: id });
    assert.equal(member.core.status().commitIndex, commitIndex);
    member.propose('b');
    member.acknowledge(2, 1);
    member.acknowledge(3, 2);
    assert.equal(member.core.status().commitIndex, commitIndex);
    member.acknowledge(3, 4);
    assert.equal(member.core.status().commitIndex, commitIndex + 1);
  });

  test('does not take the late answers of a former session for a quorum that can be reached', () => {
    const member = leader();
    for (const id of [2, 3]) member.step({ type: 'peer-connected', peer: id });
    const late = [2, 3].map((id) => message('heartbeat-response', id, 1, { session: id - 1 }));
    for (let count = 0; count < 5; count += 1) {
      member.after(30);
      member.receive(...late);
    }
    assert.equal(member.core.status().role, 'follower');
  });

  test('stops sending when a connection breaks and probes at once when it is back', () => {
    const member = leader();
    member.propose('a');
    assert.deepEqual(member.step({ type: 'peer-disconnected', peer: 2 }).messages, []);
    assert.equal(ofType(member.propose('b'), 'append').filter(({ to }) => to === 2).length, 0);
    const [probe] = ofType(member.step({ type: 'peer-connected', peer: 2 }), 'append');
    assert.deepEqual([probe?.to, probe?.previousIndex, probe?.entries.length], [2, 1, 2]);
    assert.equal(peer(member, 2).state, 'probe');
  });

  test('tells in a heartbeat no commit index above what the follower is known to hold', () => {
    const member = leader();
    member.propose('a');
    member.acknowledge(2, 1);
    const beats = ofType(member.tick(), 'heartbeat');
    assert.deepEqual(
      beats.map(({ to, commitIndex }) => [to, commitIndex]),
      [
        [2, 2],
        [3, 1],
      ],
    );
  });

  test('measures the round trip by the echo of its own clock', () => {
    const member = leader();
    const [beat] = ofType(member.tick(), 'heartbeat');
    member.nowMs += 8;
    member.receive(message('heartbeat-response', 2, 1, { session: 1, sentAtMs: beat?.sentAtMs ?? 0 }));
    assert.equal(Math.round(peer(member, 2).roundTripMs), 8);
  });

  test('refuses proposals beyond the bound of uncommitted bytes, and takes them again when some are committed', () => {
    const member = leader({ maxUncommittedBytes: 100 });
    const proposal = (size: number) =>
      member
        .step({ type: 'propose', proposalId: 1, data: new Uint8Array(size) })
        .proposalsRejected.map(({ reason }) => reason);
    assert.deepEqual(proposal(1000), []);
    assert.deepEqual(proposal(1), ['too-many-uncommitted']);
    member.acknowledge(2, 1);
    assert.deepEqual(proposal(1), []);
  });

  test('steps down when no majority answers for an election timeout (dissertation §6.2)', () => {
    const member = leader();
    member.after(60);
    member.receive(message('heartbeat-response', 3, 1, { session: 2 }));
    member.after(90);
    assert.equal(member.core.status().role, 'leader');
    member.after(10);
    assert.deepEqual([member.core.status().role, member.core.status().leader], ['follower', 0]);
  });

  test('steps down when its disk does not answer for an election timeout (hashicorp/raft#503)', () => {
    const member = leader();
    const held = member.stepHeld({ type: 'propose', proposalId: 1, data: new Uint8Array(1) });
    for (let ms = 0; ms < 100; ms += 20) {
      member.stepHeld({ type: 'message', message: message('heartbeat-response', 3, 1, { session: 2 }) });
      assert.equal(member.core.status().role, 'leader');
      member.nowMs += 20;
      member.stepHeld({ type: 'tick' });
    }
    assert.equal(member.core.status().role, 'follower');
    // Nor does it campaign before the disk answers.
    member.nowMs += 500;
    member.stepHeld({ type: 'tick' });
    assert.equal(member.core.status().role, 'follower');
    member.step({ type: 'persisted', persistId: held.persist?.persistId ?? 0 });
    member.tick();
    assert.equal(member.core.status().role, 'pre-candidate');
  });

  test('does not step down for a pause of its own before the others could answer', () => {
    const member = leader();
    member.nowMs += 5000;
    member.step({ type: 'stalled', stallMs: 5000 });
    const beats = ofType(member.step({ type: 'tick' }), 'heartbeat');
    assert.equal(beats.length, 2);
    assert.equal(member.core.status().role, 'leader');
    member.after(60);
    assert.equal(member.core.status().role, 'follower');
  });

  test('steps down for a higher term', () => {
    const member = leader();
    member.receive(message('append-response', 2, 5, { accepted: false, session: 0 }));
    assert.deepEqual([member.core.status().role, member.core.status().term], ['follower', 5]);
  });
});

test('messages of oneself, of other groups and to other members are ignored', () => {
  const member = new TestMember({}, stored([1]));
  const beat = message('heartbeat', 2, 3);
  for (const stray of [
    { ...beat, from: 1 },
    { ...beat, group: 2 },
    { ...beat, to: 3 },
  ]) {
    assert.deepEqual(member.receive(stray).messages, []);
    assert.equal(member.core.status().term, 1);
  }
});

test('an acknowledgement of more than was ever sent stops the leader', () => {
  const beyond = message('append-response', 2, 1, { matchIndex: 99, session: 1 });
  assert.throws(() => leader().receive(beyond), InvariantViolation);
});

test('an applied index beyond what was handed out stops the member', () => {
  assert.throws(() => leader().step({ type: 'applied', index: 2 }), InvariantViolation);
});

test('a leader of one hands out what it was proposed as soon as its own disk has it', () => {
  const member = new TestMember({ voters: [1] });
  member.tick();
  const { committed } = member.propose('a');
  assert.deepEqual(
    committed.map(({ index }) => index),
    [2],
  );
  assert.equal(member.core.nextDeadlineMs(), Number.POSITIVE_INFINITY);
  assert.equal(member.core.entryAt(1)?.kind, entry(1, 1, 'empty').kind);
});
