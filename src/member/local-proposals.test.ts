import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommandResult, decodeBatch, encodeSubmittedCommand } from '../keyspace/index.ts';
import type { Entry, RaftEffects } from '../raft/index.ts';
import { type LocalOutcome, LocalProposals } from './local-proposals.ts';

const tick = encodeSubmittedCommand({ command: { type: 'tick' }, identity: undefined });
const result = (revision: number): CommandResult => ({ revision, outcome: { type: 'tick' } });
const entry = (index: number, term: number): Entry => ({
  index,
  term,
  kind: 'command',
  data: new Uint8Array(0),
});

function effects(changes: Partial<RaftEffects>): RaftEffects {
  return {
    messages: [],
    persist: undefined,
    messagesAfterPersist: [],
    committed: [],
    readsReady: [],
    readsFailed: [],
    proposalsAccepted: [],
    proposalsRejected: [],
    sendSnapshots: [],
    state: undefined,
    transfer: undefined,
    changes: [],
    configuration: undefined,
    ...changes,
  };
}

/** Submits commands, and keeps what became of them. */
function submitted(count: number) {
  const local = new LocalProposals();
  const outcomes: (LocalOutcome | undefined)[] = Array.from({ length: count }, () => undefined);
  for (let position = 0; position < count; position++) {
    local.submit(tick, (outcome) => {
      assert.equal(outcomes[position], undefined, 'told twice');
      outcomes[position] = outcome;
    });
  }
  const proposals: { proposalId: number; data: Uint8Array }[] = [];
  local.seal(77, (proposalId, data) => proposals.push({ proposalId, data }));
  return { local, outcomes, proposals };
}

test('all commands of a turn go into one entry, stamped once', () => {
  const { proposals } = submitted(3);
  assert.equal(proposals.length, 1);
  const batch = decodeBatch(proposals[0]?.data as Uint8Array);
  assert.equal(batch.timeMs, 77);
  assert.equal(batch.commands.length, 3);
});

test('a turn with very much to say makes several entries, and every command is in one of them', () => {
  const local = new LocalProposals();
  const request = {
    key: Uint8Array.of(1),
    value: new Uint8Array(200_000),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  };
  const large = encodeSubmittedCommand({ command: { type: 'put', request }, identity: undefined });
  for (let number = 0; number < 7; number++) local.submit(large, () => {});
  const sizes: number[] = [];
  local.seal(1, (_, data) => sizes.push(decodeBatch(data).commands.length));
  assert.ok(sizes.length > 1);
  assert.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    7,
  );
});

test('each command gets the result at its place when the entry is applied in its term', () => {
  const { local, outcomes, proposals } = submitted(2);
  const { proposalId } = proposals[0] as { proposalId: number };
  local.settle(effects({ proposalsAccepted: [{ proposalId, index: 5, term: 2 }] }));
  local.applied(entry(4, 2), [result(1)]);
  assert.deepEqual(outcomes, [undefined, undefined]);
  local.applied(entry(5, 2), [result(8), result(9)]);
  assert.deepEqual(outcomes, [
    { type: 'applied', result: result(8), index: 5 },
    { type: 'applied', result: result(9), index: 5 },
  ]);
});

test('another term at the index of an accepted entry means that it was certainly not applied', () => {
  const { local, outcomes, proposals } = submitted(1);
  local.settle(
    effects({ proposalsAccepted: [{ proposalId: proposals[0]?.proposalId as number, index: 5, term: 2 }] }),
  );
  local.applied(entry(5, 3), [result(8)]);
  assert.deepEqual(outcomes, [{ type: 'not-applied' }]);
});

test('a snapshot over an accepted entry leaves its outcome unknown, and no other', () => {
  const { local, outcomes, proposals } = submitted(1);
  local.settle(
    effects({ proposalsAccepted: [{ proposalId: proposals[0]?.proposalId as number, index: 5, term: 2 }] }),
  );
  local.snapshotInstalled(4);
  assert.deepEqual(outcomes, [undefined]);
  local.snapshotInstalled(5);
  assert.deepEqual(outcomes, [{ type: 'unknown' }]);
});

test('a rejected proposal and a released queue are certainly not applied', () => {
  const { local, outcomes, proposals } = submitted(1);
  local.settle(
    effects({
      proposalsRejected: [{ proposalId: proposals[0]?.proposalId as number, reason: 'not-leader' }],
    }),
  );
  assert.deepEqual(outcomes, [{ type: 'not-applied' }]);
  const later: LocalOutcome[] = [];
  local.submit(tick, (outcome) => later.push(outcome));
  local.releaseQueue();
  assert.deepEqual(later, [{ type: 'not-applied' }]);
});

test('stopping tells every command once', () => {
  const { local, outcomes, proposals } = submitted(1);
  local.settle(
    effects({ proposalsAccepted: [{ proposalId: proposals[0]?.proposalId as number, index: 5, term: 2 }] }),
  );
  local.abandon();
  local.abandon();
  assert.deepEqual(outcomes, [{ type: 'unknown' }]);
});

test('two batches that stood at one index in different terms both hear which of them was applied', () => {
  const local = new LocalProposals();
  const outcomes: (LocalOutcome | undefined)[] = [undefined, undefined];
  for (const position of [0, 1]) {
    local.submit(tick, (outcome) => {
      outcomes[position] = outcome;
    });
    local.seal(77, (proposalId) =>
      local.settle(effects({ proposalsAccepted: [{ proposalId, index: 9, term: 2 + position }] })),
    );
  }
  // The entry of term 2 had been replaced here, but another member kept it, and led.
  local.applied(entry(9, 2), [result(5)]);
  assert.deepEqual(outcomes, [{ type: 'applied', result: result(5), index: 9 }, { type: 'not-applied' }]);
});
