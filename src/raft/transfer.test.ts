import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ELECTION_TIMEOUT_MS, message, ofType, TestMember } from './testing.ts';

function leader(): TestMember {
  const member = new TestMember();
  for (const { to, session } of ofType(member.elect(), 'append')) member.acknowledge(to, session);
  return member;
}
const transfer = (target: number) => ({ type: 'transfer', target }) as const;

test('a target that holds the whole log is told to campaign at once (dissertation §3.10)', () => {
  assert.deepEqual(
    ofType(leader().step(transfer(2)), 'timeout-now').map(({ to }) => to),
    [2],
  );
});

test('a target that lags is caught up first, while proposals are refused', () => {
  const member = leader();
  member.propose('a');
  assert.deepEqual(ofType(member.step(transfer(2)), 'timeout-now'), []);
  assert.deepEqual(member.propose('b').proposalsRejected, [{ proposalId: 1, reason: 'transferring' }]);
  assert.equal(ofType(member.acknowledge(2, 1), 'timeout-now').length, 1);
});

test('target 0 is the follower that is furthest', () => {
  const member = leader();
  member.propose('a');
  member.acknowledge(3, 2);
  assert.deepEqual(
    ofType(member.step(transfer(0)), 'timeout-now').map(({ to }) => to),
    [3],
  );
});

test('it has succeeded when the target leads, and failed when another does', () => {
  for (const winner of [2, 3]) {
    const member = leader();
    member.step(transfer(2));
    assert.equal(
      member.receive(message('vote', winner, 2, { transfer: true, lastIndex: 1, lastTerm: 1 })).transfer,
      undefined,
    );
    const { transfer: outcome } = member.receive(message('heartbeat', winner, 2));
    assert.deepEqual(outcome, { target: 2, ok: winner === 2 });
  }
});

test('left to choose, a leader takes a follower that has said what it holds since it connected', () => {
  const member = leader();
  member.step({ type: 'peer-connected', peer: 2 });
  member.step(transfer(0));
  assert.equal(member.core.status().transferTarget, 3);
  const waiting = leader();
  waiting.step({ type: 'peer-connected', peer: 2 });
  assert.deepEqual(ofType(waiting.step(transfer(2)), 'timeout-now'), []);
  assert.equal(ofType(waiting.acknowledge(2, 3), 'timeout-now').length, 1);
});

test('it fails after a while, and proposals are taken again', () => {
  const member = leader();
  member.step(transfer(2));
  member.receive(message('heartbeat-response', 3, 1, { session: 2 }));
  member.nowMs += ELECTION_TIMEOUT_MS - 1;
  member.receive(message('heartbeat-response', 3, 1, { session: 2 }));
  assert.deepEqual(member.after(1).transfer, { target: 2, ok: false });
  assert.deepEqual(member.propose('b').proposalsRejected, []);
});

test('it fails at once when the target is lost before it was told', () => {
  const member = leader();
  member.propose('a');
  member.step(transfer(2));
  assert.deepEqual(member.step({ type: 'peer-disconnected', peer: 2 }).transfer, { target: 2, ok: false });
});

test('it fails for a stranger, on a member that does not lead, and while another is under way', () => {
  assert.deepEqual(leader().step(transfer(9)).transfer, { target: 9, ok: false });
  assert.deepEqual(new TestMember().step(transfer(2)).transfer, { target: 2, ok: false });
  const busy = leader();
  busy.propose('a');
  busy.step(transfer(2));
  assert.deepEqual(busy.step(transfer(3)).transfer, { target: 3, ok: false });
  assert.equal(busy.core.status().transferTarget, 2);
});

test('several outcomes leave with one drain each, and the next is due at once', () => {
  const member = new TestMember();
  const effects = member.stepHeld(transfer(2), transfer(3));
  assert.deepEqual(effects.transfer, { target: 2, ok: false });
  assert.equal(member.core.nextDeadlineMs(), member.nowMs);
  assert.deepEqual(member.step({ type: 'tick' }).transfer, { target: 3, ok: false });
});

test('a member that is told to take over campaigns without a pre-vote, if it is told by its leader', () => {
  const member = new TestMember();
  member.receive(message('heartbeat', 2, 1));
  assert.deepEqual(member.receive(message('timeout-now', 3, 1)).messages, []);
  const asked = ofType(member.receive(message('timeout-now', 2, 1)), 'vote');
  assert.deepEqual(
    asked.map(({ term, transfer: flag }) => [term, flag]),
    [
      [2, true],
      [2, true],
    ],
  );
});
