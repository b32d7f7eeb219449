import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeConfiguration } from './configuration.ts';
import { entry, message, ofType, stored, TestMember } from './testing.ts';
import { type Entry, InvariantViolation, type RaftEffects, type SnapshotMeta } from './types.ts';

const answers = (effects: RaftEffects) =>
  ofType(effects, 'append-response').map(({ accepted, matchIndex }) => [accepted, matchIndex]);
const terms = (member: TestMember): (number | undefined)[] => {
  const { firstIndex, lastIndex } = member.core.status();
  return Array.from(
    { length: lastIndex - firstIndex + 1 },
    (_, at) => member.core.entryAt(firstIndex + at)?.term,
  );
};
const append = (previous: readonly [number, number], entries: readonly Entry[], commitIndex = 0, term = 5) =>
  message('append', 2, term, { previousIndex: previous[0], previousTerm: previous[1], entries, commitIndex });

describe('a follower', () => {
  test('refuses entries whose predecessor it does not have, and says where its log may agree (§5.3)', () => {
    const member = new TestMember({}, stored([1, 1, 2, 2]));
    const [missing] = ofType(member.receive(append([9, 4], [])), 'append-response');
    assert.deepEqual(
      [missing?.accepted, missing?.matchIndex, missing?.hintIndex, missing?.hintTerm],
      [false, 9, 4, 2],
    );
    const [differs] = ofType(member.receive(append([4, 1], [])), 'append-response');
    assert.deepEqual([differs?.hintIndex, differs?.hintTerm], [2, 1]);
  });

  test('deletes what conflicts and all that follows it, and appends the leader’s (§5.3)', () => {
    const member = new TestMember({}, stored([1, 2, 2, 2]));
    const effects = member.stepHeld({ type: 'message', message: append([1, 1], [entry(2, 3), entry(3, 3)]) });
    assert.deepEqual(
      effects.persist?.entries.map(({ index, term }) => [index, term]),
      [
        [2, 3],
        [3, 3],
      ],
    );
    assert.deepEqual(terms(member), [1, 3, 3]);
  });

  test('keeps entries after those that a late message repeats', () => {
    const member = new TestMember({}, stored([1, 1, 1]));
    assert.deepEqual(answers(member.receive(append([0, 0], [entry(1, 1)]))), [[true, 1]]);
    assert.deepEqual(terms(member), [1, 1, 1]);
  });

  test('acknowledges when the entries are durable, and at once what already is', () => {
    const member = new TestMember({}, stored([5]));
    const held = member.stepHeld({ type: 'message', message: append([1, 5], [entry(2, 5)]) });
    assert.deepEqual(held.messages, []);
    assert.deepEqual(answers({ ...held, messages: held.messagesAfterPersist }), [[true, 2]]);
    const repeated = member.stepHeld({ type: 'message', message: append([0, 0], [entry(1, 5)]) });
    assert.deepEqual(answers(repeated), [[true, 1]]);
  });

  test('answers heartbeats while its disk is busy', () => {
    const member = new TestMember({}, stored([5]));
    member.stepHeld({ type: 'message', message: append([1, 5], [entry(2, 5)]) });
    const effects = member.stepHeld({ type: 'message', message: message('heartbeat', 2, 5) });
    assert.deepEqual(
      effects.messages.map(({ type }) => type),
      ['heartbeat-response'],
    );
  });

  test('takes the commit index no further than the entries that the message vouches for', () => {
    const member = new TestMember({}, stored([5, 5, 5]));
    member.receive(append([0, 0], [entry(1, 5)], 3));
    assert.equal(member.core.status().commitIndex, 1);
  });

  test('hands out what is committed only when it is durable here', () => {
    const member = new TestMember({}, stored([], { term: 5 }));
    const held = member.stepHeld({ type: 'message', message: append([0, 0], [entry(1, 5)], 1) });
    assert.equal(member.core.status().commitIndex, 1);
    assert.deepEqual(held.committed, []);
    const { committed } = member.stepHeld({ type: 'persisted', persistId: held.persist?.persistId ?? 0 });
    assert.deepEqual(committed, [entry(1, 5)]);
  });

  test('stops rather than replace a committed entry', () => {
    const member = new TestMember({}, stored([1, 1], { commitIndex: 2 }));
    assert.throws(() => member.receive(append([0, 0], [entry(1, 1), entry(2, 4)])), InvariantViolation);
    assert.throws(() => member.receive(append([1, 4], [])), InvariantViolation);
    assert.deepEqual(answers(member.receive(append([0, 0], [entry(1, 1)]))), [[true, 2]]);
  });

  test('stops when told that something is committed which it does not have', () => {
    const member = new TestMember({}, stored([1]));
    assert.throws(() => member.receive(message('heartbeat', 2, 5, { commitIndex: 2 })), InvariantViolation);
  });

  test('drops a message whose entries are out of order or of a term to come', () => {
    const member = new TestMember();
    for (const entries of [[entry(2, 1)], [entry(1, 2), entry(2, 1)], [entry(1, 9)]]) {
      assert.deepEqual(answers(member.receive(append([0, 0], entries))), []);
    }
    assert.equal(member.core.status().lastIndex, 0);
  });

  test('follows the latest configuration in its log, committed or not, and goes back when it is deleted (dissertation §4.1)', () => {
    const member = new TestMember();
    const changed: Entry = {
      ...entry(1, 1),
      kind: 'configuration',
      data: encodeConfiguration({ voters: [1, 2] }),
    };
    member.receive(append([0, 0], [changed], 0, 1));
    assert.deepEqual(member.core.status().configuration.voters, [1, 2]);
    member.receive(append([0, 0], [entry(1, 2)], 0, 2));
    assert.deepEqual(member.core.status().configuration.voters, [1, 2, 3]);
  });

  test('takes up after a restart where its disk ends', () => {
    const snapshot: SnapshotMeta = { index: 3, term: 2, configuration: { voters: [1, 2, 3] } };
    const member = new TestMember(
      {},
      { hardState: { term: 2, votedFor: 0, commitIndex: 4 }, snapshot, entries: [entry(4, 2), entry(5, 2)] },
    );
    assert.deepEqual(member.step().committed, [entry(4, 2)]);
    const { firstIndex, lastIndex, commitIndex, appliedIndex } = member.core.status();
    assert.deepEqual([firstIndex, lastIndex, commitIndex, appliedIndex], [4, 5, 4, 3]);
  });
});

describe('a snapshot', () => {
  const snapshot: SnapshotMeta = { index: 4, term: 3, configuration: { voters: [1, 2, 3] } };
  const received = (meta: SnapshotMeta, term = 5) =>
    ({ type: 'snapshot-received', from: 2, term, session: 8, snapshot: meta }) as const;

  test('from the leader replaces the log, and is acknowledged when it is in place (§7)', () => {
    const member = new TestMember({}, stored([1, 1]));
    const held = member.stepHeld(received(snapshot));
    assert.deepEqual(held.persist?.snapshot, { meta: snapshot, from: 2, keepsLog: false });
    assert.deepEqual(held.messages, []);
    const done = { ...held, messages: held.messagesAfterPersist };
    assert.deepEqual(
      ofType(done, 'append-response').map(({ matchIndex, session }) => [matchIndex, session]),
      [[4, 8]],
    );
    const { firstIndex, commitIndex } = member.core.status();
    assert.deepEqual([firstIndex, commitIndex], [5, 4]);
  });

  test('keeps what follows it in the log (§7)', () => {
    const member = new TestMember({}, stored([1, 1, 3, 3, 3]));
    const { persist } = member.stepHeld(received(snapshot));
    assert.equal(persist?.snapshot?.keepsLog, true);
    assert.deepEqual(persist?.entries, []);
    assert.deepEqual(terms(member), [3]);
  });

  test('gives the rest of the log to the disk again when the disk may have something else there', () => {
    const member = new TestMember({}, stored([1, 1, 1, 1, 1, 1]));
    const replaced = append([2, 1], [entry(3, 3), entry(4, 3), entry(5, 3)]);
    const { persist } = member.stepHeld({ type: 'message', message: replaced }, received(snapshot));
    assert.equal(persist?.snapshot?.keepsLog, false);
    assert.deepEqual(persist?.entries, [entry(5, 3)]);
  });

  test('that is behind what is committed changes nothing and is answered with that', () => {
    const member = new TestMember({}, stored([3, 3, 3, 3, 3], { commitIndex: 5 }));
    member.step();
    const effects = member.step(received(snapshot));
    assert.equal(effects.persist?.snapshot, undefined);
    assert.deepEqual(answers(effects), [[true, 5]]);
  });

  test('of an earlier term is ignored', () => {
    const member = new TestMember({}, stored([], { term: 6 }));
    assert.deepEqual(member.step(received(snapshot, 5)).messages, []);
  });

  test('holds back what comes after it until it is in place', () => {
    const member = new TestMember();
    const held = member.stepHeld(received(snapshot), {
      type: 'message',
      message: append([4, 3], [entry(5, 5)], 5),
    });
    assert.deepEqual(held.committed, []);
    const { committed } = member.stepHeld({ type: 'persisted', persistId: held.persist?.persistId ?? 0 });
    assert.deepEqual(committed, [entry(5, 5)]);
    assert.equal(member.core.status().appliedIndex, 4);
  });

  test('is sent to a follower whose next entry is compacted, again after a failure, and replication goes on after it', () => {
    const member = new TestMember({}, stored([1, 1, 1], { commitIndex: 3 }));
    member.step();
    member.step({ type: 'applied', index: 3 });
    const made: SnapshotMeta = { index: 3, term: 1, configuration: { voters: [1, 2, 3] } };
    member.step({ type: 'compacted', snapshot: made, keepFrom: 4 });
    const session = ofType(member.elect(), 'append')[0]?.session ?? 0;
    const reject = message('append-response', 2, 2, {
      accepted: false,
      matchIndex: 3,
      hintIndex: 1,
      hintTerm: 1,
      session,
    });
    assert.deepEqual(member.receive(reject).sendSnapshots, [{ to: 2, session, term: 2 }]);
    assert.equal(ofType(member.propose('a'), 'append').filter(({ to }) => to === 2).length, 0);

    assert.deepEqual(member.step({ type: 'snapshot-sent', to: 2, ok: false, index: 3 }).sendSnapshots, []);
    const alive = message('heartbeat-response', 2, 2, { session });
    assert.deepEqual(member.receive(alive).sendSnapshots, [{ to: 2, session, term: 2 }]);

    member.step({ type: 'snapshot-sent', to: 2, ok: true, index: 3 });
    const [next] = ofType(
      member.receive(message('append-response', 2, 2, { matchIndex: 3, session })),
      'append',
    );
    assert.deepEqual([next?.previousIndex, next?.entries.length], [3, 2]);
  });

  test('of our own lets entries go, as far as the driver says', () => {
    const member = new TestMember({}, stored([1, 1, 1, 1], { commitIndex: 3 }));
    member.step();
    member.step({ type: 'applied', index: 3 });
    const made: SnapshotMeta = { index: 3, term: 1, configuration: { voters: [1, 2, 3] } };
    member.step({ type: 'compacted', snapshot: made, keepFrom: 2 });
    assert.deepEqual([member.core.entryAt(1), member.core.entryAt(2)?.index], [undefined, 2]);
    const ahead = { ...made, index: 4 };
    assert.throws(() => member.step({ type: 'compacted', snapshot: ahead, keepFrom: 2 }), InvariantViolation);
  });
});
