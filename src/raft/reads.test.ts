import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ELECTION_TIMEOUT_MS, message, ofType, stored, TestMember } from './testing.ts';
import type { RaftEvent } from './types.ts';

const read = (readId: number): RaftEvent => ({ type: 'read', readId });

function leader(options: ConstructorParameters<typeof TestMember>[0] = {}): TestMember {
  const member = new TestMember(options);
  for (const { to, session } of ofType(member.elect(), 'append')) member.acknowledge(to, session);
  return member;
}
const confirm = (from: number, readContext: number) =>
  message('heartbeat-response', from, 1, { session: from - 1, readContext });

describe('a leader', () => {
  test('answers reads when a majority has answered one round for all of them (§8; dissertation §6.4)', () => {
    const member = leader();
    const asked = ofType(member.step(read(1), read(2)), 'heartbeat');
    assert.deepEqual(
      asked.map(({ to, readContext }) => [to, readContext]),
      [
        [2, 1],
        [3, 1],
      ],
    );
    assert.deepEqual(member.receive(confirm(3, 1)).readsReady, [
      { readId: 1, index: 1 },
      { readId: 2, index: 1 },
    ]);
    assert.deepEqual(member.receive(confirm(2, 1)).readsReady, []);
  });

  test('does not let an answer to an earlier round confirm a later read', () => {
    const member = leader();
    member.step(read(1));
    member.step(read(2));
    assert.deepEqual(
      member.receive(confirm(3, 1)).readsReady.map(({ readId }) => readId),
      [1],
    );
    assert.deepEqual(
      member.receive(confirm(2, 2)).readsReady.map(({ readId }) => readId),
      [2],
    );
  });

  test('holds reads until an entry of its term is committed (etcd-io/etcd#7331)', () => {
    const member = new TestMember({}, stored([1, 1]));
    const session = ofType(member.elect(), 'append')[0]?.session ?? 0;
    assert.deepEqual(ofType(member.step(read(1)), 'heartbeat'), []);
    const committed = member.receive(message('append-response', 2, 2, { matchIndex: 3, session }));
    assert.equal(ofType(committed, 'heartbeat').length, 2);
    const answer = message('heartbeat-response', 2, 2, { session, readContext: 1 });
    assert.deepEqual(member.receive(answer).readsReady, [{ readId: 1, index: 3 }]);
  });

  test('asks again with each heartbeat', () => {
    const member = leader();
    member.step(read(1));
    assert.ok(ofType(member.tick(), 'heartbeat').every(({ readContext }) => readContext === 1));
  });

  test('fails its reads when it steps down', () => {
    const member = leader();
    member.step(read(1));
    const { readsFailed } = member.receive(message('heartbeat', 2, 9));
    assert.deepEqual(readsFailed, [{ readId: 1, reason: 'leader-changed' }]);
  });

  test('answers at once when it is the only voter', () => {
    const member = new TestMember({ voters: [1] });
    member.tick();
    assert.deepEqual(member.step(read(1)).readsReady, [{ readId: 1, index: 1 }]);
  });

  test('answers a follower’s request, the latest of each', () => {
    const member = leader({ voters: [1, 2, 3, 4, 5] });
    member.receive(
      message('read-index', 2, 1, { readContext: 70 }),
      message('read-index', 2, 1, { readContext: 71 }),
    );
    assert.deepEqual(member.receive(confirm(4, 1)).messages, []);
    const [answer, ...more] = ofType(member.receive(confirm(3, 1)), 'read-index-response');
    assert.deepEqual([answer?.readContext, answer?.index, answer?.ok, more.length], [71, 1, true, 0]);
  });

  test('answers a follower’s request at once where the two of them are a majority, but none of an older term', () => {
    const member = leader();
    const { messages } = member.receive(message('read-index', 2, 1, { readContext: 70 }));
    assert.deepEqual(
      messages.map((each) => each.type === 'read-index-response' && [each.to, each.index, each.ok]),
      [[2, 1, true]],
    );
    const [older] = member.receive(message('read-index', 2, 0, { readContext: 71 })).messages;
    assert.equal(older?.type === 'read-index-response' && older.ok, false);
    // Its own read, asked meanwhile, learns nothing from that: the follower may have asked before it began.
    assert.deepEqual(
      member.step(read(1), { type: 'message', message: message('read-index', 2, 1, { readContext: 72 }) })
        .readsReady,
      [],
    );
  });

  test('answers no request before an entry of its own term is committed (§8)', () => {
    const member = new TestMember({}, stored([1, 1]));
    const [append] = ofType(member.elect(), 'append');
    assert.deepEqual(member.receive(message('read-index', 2, 2, { readContext: 70 })).messages, []);
    const answers = ofType(member.acknowledge(2, append?.session ?? 0), 'read-index-response');
    assert.deepEqual(
      answers.map(({ index, ok }) => [index, ok]),
      [[3, true]],
    );
  });
});

describe('a follower', () => {
  function follower(seed = 0.5): TestMember {
    const member = new TestMember({ random: () => seed });
    member.receive(message('heartbeat', 2, 1));
    return member;
  }

  test('asks its leader once for all reads that came before, and keeps later ones for the next time', () => {
    const member = follower();
    const [asked] = ofType(member.step(read(1), read(2)), 'read-index');
    assert.deepEqual(ofType(member.step(read(3)), 'read-index'), []);
    const answer = message('read-index-response', 2, 1, { readContext: asked?.readContext ?? 0, index: 5 });
    const effects = member.receive(answer);
    assert.deepEqual(effects.readsReady, [
      { readId: 1, index: 5 },
      { readId: 2, index: 5 },
    ]);
    assert.equal(ofType(effects, 'read-index')[0]?.readContext, (asked?.readContext ?? 0) + 1);
    assert.deepEqual(member.receive(answer).readsReady, []);
  });

  test('asks again, under another number, when no answer comes', () => {
    const member = follower();
    const [first] = ofType(member.step(read(1)), 'read-index');
    const [second] = ofType(member.tick(), 'read-index');
    assert.equal(second?.readContext, (first?.readContext ?? 0) + 1);
    const late = message('read-index-response', 2, 1, { readContext: first?.readContext ?? 0, index: 5 });
    assert.deepEqual(member.receive(late).readsReady, []);
  });

  test('never takes an answer to a request of an earlier life (etcd-io/etcd#20418)', () => {
    const contexts = [0.25, 0.75].map(
      (seed) => ofType(follower(seed).step(read(1)), 'read-index')[0]?.readContext ?? 0,
    );
    assert.ok(Math.abs((contexts[0] as number) - (contexts[1] as number)) > 2 ** 40);
    assert.ok(contexts.every((context) => Number.isSafeInteger(context)));
  });

  test('fails reads when the leader changes, is lost, refuses or is not known', () => {
    const changed = follower();
    changed.step(read(1));
    assert.deepEqual(changed.receive(message('heartbeat', 3, 2)).readsFailed, [
      { readId: 1, reason: 'leader-changed' },
    ]);
    const lost = follower();
    lost.step(read(1));
    assert.deepEqual(lost.after(2 * ELECTION_TIMEOUT_MS).readsFailed, [{ readId: 1, reason: 'no-leader' }]);
    const refused = follower();
    const [asked] = ofType(refused.step(read(1)), 'read-index');
    const answer = message('read-index-response', 2, 1, { readContext: asked?.readContext ?? 0, ok: false });
    assert.deepEqual(refused.receive(answer).readsFailed, [{ readId: 1, reason: 'leader-changed' }]);
    assert.deepEqual(new TestMember().step(read(1)).readsFailed, [{ readId: 1, reason: 'no-leader' }]);
  });

  test('does not answer a request meant for a leader', () => {
    const [answer] = ofType(
      follower().receive(message('read-index', 3, 1, { readContext: 9 })),
      'read-index-response',
    );
    assert.deepEqual([answer?.ok, answer?.readContext], [false, 9]);
  });
});

describe('the read lease', () => {
  /** A leader that member 2 has followed as of now. */
  function leasing(): TestMember {
    const member = leader({ leaseReads: true, clockDriftRate: 0.1 });
    const [beat] = ofType(member.tick(), 'heartbeat');
    member.receive(message('heartbeat-response', 2, 1, { session: 1, sentAtMs: beat?.sentAtMs ?? 0 }));
    return member;
  }
  const answersAlone = (member: TestMember) => member.step(read(1)).readsReady.length === 1;

  test('answers without a round, from the time of sending for an election timeout less the drift', () => {
    const member = leasing();
    assert.ok(answersAlone(member));
    member.nowMs += (ELECTION_TIMEOUT_MS * 0.9) / 1.1 - 0.001;
    assert.ok(answersAlone(member));
    member.nowMs += 0.002;
    assert.ok(!answersAlone(member));
  });

  test('ends with a pause of our own, until something sent after it is answered', () => {
    const member = leasing();
    member.step({ type: 'stalled', stallMs: 1 });
    assert.ok(answersAlone(member));
    member.nowMs += 5;
    member.step({ type: 'stalled', stallMs: 1 });
    assert.ok(!answersAlone(member));
  });

  test('is over for good when a transfer’s target was told to campaign', () => {
    const member = leasing();
    const effects = member.step({ type: 'transfer', target: 2 });
    assert.equal(ofType(effects, 'timeout-now').length, 1);
    assert.ok(!answersAlone(member));
  });

  test('is off unless asked for', () => {
    const member = leader();
    const [beat] = ofType(member.tick(), 'heartbeat');
    member.receive(message('heartbeat-response', 2, 1, { session: 1, sentAtMs: beat?.sentAtMs ?? 0 }));
    assert.ok(!answersAlone(member));
  });
});
