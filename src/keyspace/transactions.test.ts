import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keyspace } from './keyspace.ts';
import { countOperations, txnHasDuplicateKeys } from './operation-limits.ts';
import {
  applyOne,
  compare,
  compareValue,
  deleteCommand,
  deleteOperation,
  keysOf,
  putCommand,
  putOperation,
  rangeOf,
  rangeOperation,
  rangeRequest,
  text,
  txnRequest,
} from './testing/requests.ts';
import type { Command, CommandOutcome, Operation, TxnRequest, TxnResult } from './types.ts';

function txn(keyspace: Keyspace, request: TxnRequest): TxnResult {
  const outcome = applyOne(keyspace, { type: 'txn', request });
  assert.equal(outcome.type, 'txn');
  return (outcome as Extract<CommandOutcome, { type: 'txn' }>).result;
}

function failure(keyspace: Keyspace, command: Command): string {
  const outcome = applyOne(keyspace, command);
  return outcome.type === 'failed' ? outcome.failure : outcome.type;
}

function nested(request: TxnRequest): Operation {
  return { type: 'txn', request };
}

const all = rangeRequest('\0', '\0');

test('the empty store is at revision 1 and the first write gets 2', () => {
  const keyspace = new Keyspace();
  assert.equal(keyspace.revision, 1);
  applyOne(keyspace, putCommand('a', '1'));
  const [kv] = rangeOf(keyspace, all).kvs;
  assert.deepEqual(
    { ...kv, key: 'a', value: '1' },
    {
      key: 'a',
      value: '1',
      createRevision: 2,
      modRevision: 2,
      version: 1,
      lease: 0n,
    },
  );
});

test('a put again keeps the create revision and counts the version; a deletion starts over', () => {
  const keyspace = new Keyspace();
  for (const command of [putCommand('a'), putCommand('a'), deleteCommand('a'), putCommand('a')]) {
    applyOne(keyspace, command);
  }
  const numbers = (revision: number) =>
    rangeOf(keyspace, { ...all, revision }).kvs.map((kv) => [kv.createRevision, kv.modRevision, kv.version]);
  assert.deepEqual(numbers(3), [[2, 3, 2]]);
  assert.deepEqual(numbers(4), []);
  assert.deepEqual(numbers(0), [[5, 5, 1]]);
});

test('deleting what is not there leaves the revision', () => {
  const keyspace = new Keyspace();
  assert.deepEqual(applyOne(keyspace, deleteCommand('a', '\0')), {
    type: 'deleteRange',
    result: { deleted: 0, prevKvs: [] },
  });
  assert.equal(keyspace.revision, 1);
});

test('the writes of a transaction share a revision, and one without writes takes none', () => {
  const keyspace = new Keyspace();
  txn(keyspace, txnRequest([], [putOperation('a'), putOperation('b')]));
  assert.equal(keyspace.revision, 2);
  assert.deepEqual(
    rangeOf(keyspace, all).kvs.map((kv) => kv.modRevision),
    [2, 2],
  );
  txn(keyspace, txnRequest([], [rangeOperation('a')]));
  txn(keyspace, txnRequest([], []));
  assert.equal(keyspace.revision, 2);
});

test('ranges of a transaction see the writes before them, at the latest revision only', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, putCommand('a', 'old'));
  const { responses } = txn(
    keyspace,
    txnRequest(
      [],
      [
        rangeOperation('a'),
        putOperation('a', 'new'),
        rangeOperation('a'),
        rangeOperation('a', '', { revision: 2 }),
        deleteOperation('a'),
        rangeOperation('a'),
      ],
    ),
  );
  const values = responses.map((one) =>
    one.type === 'range' ? one.result.kvs.map((kv) => text(kv.value)) : one.type,
  );
  assert.deepEqual(values, [['old'], 'put', ['new'], ['old'], 'deleteRange', []]);
});

test('a transaction that fails applies nothing and takes no revision', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, putCommand('a'));
  const cases: [Operation, string][] = [
    [putOperation('b', '', { lease: 7n }), 'lease-not-found'],
    [putOperation('b', '', { ignoreValue: true }), 'key-not-found'],
    [putOperation('b', '', { ignoreLease: true, lease: 7n }), 'key-not-found'],
    [rangeOperation('a', '', { revision: 3 }), 'future-revision'],
    [nested(txnRequest([], [putOperation('b', '', { lease: 7n })])), 'lease-not-found'],
  ];
  for (const [operation, expected] of cases) {
    const request = txnRequest([], [putOperation('a', 'changed'), operation]);
    assert.equal(failure(keyspace, { type: 'txn', request }), expected);
  }
  assert.equal(keyspace.revision, 2);
  assert.deepEqual(
    rangeOf(keyspace, all).kvs.map((kv) => text(kv.value)),
    [''],
  );
});

test('what fails in the branch that does not run is no failure', () => {
  const keyspace = new Keyspace();
  const request = txnRequest(
    [compare('a', 'version', 'equal', 0)],
    [putOperation('a')],
    [putOperation('b', '', { lease: 7n })],
  );
  assert.equal(txn(keyspace, request).succeeded, true);
});

test('a put on its own finds a missing lease before a missing key', () => {
  const keyspace = new Keyspace();
  assert.equal(failure(keyspace, putCommand('a', '', { lease: 7n, ignoreValue: true })), 'lease-not-found');
  assert.equal(failure(keyspace, putCommand('a', '', { ignoreValue: true })), 'key-not-found');
});

test('a put may keep the value or the lease that is there', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, { type: 'leaseGrant', lease: 7n, ttlMs: 1000 });
  applyOne(keyspace, putCommand('a', 'kept', { lease: 7n }));
  applyOne(keyspace, putCommand('a', '', { ignoreValue: true, ignoreLease: true }));
  const [kv] = rangeOf(keyspace, all).kvs;
  assert.equal(kv && text(kv.value), 'kept');
  assert.equal(kv?.lease, 7n);
  applyOne(keyspace, putCommand('a', 'new', { ignoreLease: true }));
  assert.equal(rangeOf(keyspace, all).kvs[0]?.lease, 7n);
  applyOne(keyspace, putCommand('a', '', { ignoreValue: true }));
  assert.equal(rangeOf(keyspace, all).kvs[0]?.lease, 0n);
  assert.deepEqual(keyspace.lease(7n, true)?.keys, []);
});

test('a missing key compares as zeros, and never by value', () => {
  const keyspace = new Keyspace();
  const holds = (one: Parameters<typeof txnRequest>[0][number]) =>
    txn(keyspace, txnRequest([one], [])).succeeded;
  for (const kind of ['version', 'create', 'mod'] as const) {
    assert.equal(holds(compare('a', kind, 'equal', 0)), true);
    assert.equal(holds(compare('a', kind, 'greater', 0)), false);
    assert.equal(holds(compare('a', kind, 'less', 1)), true);
  }
  assert.equal(holds(compareValue('a', 'equal', '')), false);
  assert.equal(holds(compareValue('a', 'not-equal', 'x')), false);
});

test('a compare over a range must hold for every key of it', () => {
  const keyspace = new Keyspace();
  for (const command of [putCommand('a', 'x'), putCommand('b', 'x'), putCommand('b', 'x')])
    applyOne(keyspace, command);
  const holds = (one: Parameters<typeof txnRequest>[0][number]) =>
    txn(keyspace, txnRequest([one], [])).succeeded;
  assert.equal(holds(compareValue('a', 'equal', 'x', 'c')), true);
  assert.equal(holds(compare('a', 'version', 'equal', 1, 'c')), false);
  assert.equal(holds(compare('a', 'version', 'greater', 0, '\0')), true);
  assert.equal(holds(compare('x', 'version', 'equal', 0, '\0')), true);
});

test('compares of nested transactions see the state before the whole transaction', () => {
  const keyspace = new Keyspace();
  const inner = txnRequest([compare('a', 'version', 'equal', 0)], [putOperation('b')], [putOperation('c')]);
  const { responses } = txn(keyspace, txnRequest([], [putOperation('a'), nested(inner)]));
  assert.equal(responses[1]?.type === 'txn' && responses[1].result.succeeded, true);
  assert.deepEqual(keysOf(keyspace, all), ['a', 'b']);
});

test('a sequence ends at the first transaction whose compares do not hold', () => {
  const keyspace = new Keyspace();
  const requests = [
    txnRequest([], [putOperation('a')]),
    txnRequest([compare('a', 'version', 'equal', 9)], [], [putOperation('b')]),
    txnRequest([], [putOperation('c')]),
  ];
  const outcome = applyOne(keyspace, { type: 'txnSequence', requests });
  assert.deepEqual(
    outcome.type === 'txnSequence' &&
      outcome.results.map(({ result, revision }) => [result.succeeded, revision]),
    [
      [true, 2],
      [false, 3],
    ],
  );
  assert.deepEqual(keysOf(keyspace, all), ['a', 'b']);
});

test('a hand-off deletes and creates a key in consecutive revisions', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, putCommand('leader', 'one'));
  const requests = [
    txnRequest([], [deleteOperation('leader')]),
    txnRequest([], [putOperation('leader', 'two')]),
  ];
  applyOne(keyspace, { type: 'txnSequence', requests });
  assert.equal(rangeOf(keyspace, all).kvs[0]?.createRevision, 4);
});

test('a sequence in which one fails applies nothing, leases included', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, { type: 'leaseGrant', lease: 7n, ttlMs: 1000 });
  applyOne(keyspace, putCommand('leader', 'one', { lease: 7n }));
  const hash = keyspace.stateHash();
  const index = keyspace.appliedIndex;
  const requests = [
    txnRequest([], [deleteOperation('leader'), putOperation('new', '', { lease: 7n })]),
    txnRequest([], [putOperation('leader', 'two', { lease: 8n })]),
  ];
  assert.equal(failure(keyspace, { type: 'txnSequence', requests }), 'lease-not-found');
  assert.equal(keyspace.revision, 2);
  assert.deepEqual(keysOf(keyspace, all), ['leader']);
  assert.deepEqual(keyspace.lease(7n, true)?.keys.map(text), ['leader']);
  const twin = new Keyspace();
  applyOne(twin, { type: 'leaseGrant', lease: 7n, ttlMs: 1000 });
  applyOne(twin, putCommand('leader', 'one', { lease: 7n }));
  assert.equal(twin.appliedIndex, index);
  assert.equal(twin.stateHash(), hash);
  applyOne(twin, { type: 'tick' });
  assert.equal(twin.stateHash(), keyspace.stateHash());
});

test('compaction refuses what is compacted already or not yet there, and bounds what can be read', () => {
  const keyspace = new Keyspace();
  for (const command of [putCommand('a'), putCommand('a'), deleteCommand('a'), putCommand('b')]) {
    applyOne(keyspace, command);
  }
  assert.equal(failure(keyspace, { type: 'compact', revision: 0 }), 'compacted');
  assert.equal(failure(keyspace, { type: 'compact', revision: 6 }), 'future-revision');
  assert.equal(failure(keyspace, { type: 'compact', revision: 3 }), 'compact');
  assert.equal(failure(keyspace, { type: 'compact', revision: 3 }), 'compacted');
  assert.equal(keysOf(keyspace, { ...all, revision: 2 }), 'compacted');
  assert.deepEqual(keysOf(keyspace, { ...all, revision: 3 }), ['a']);
  assert.deepEqual(keysOf(keyspace, { ...all, revision: 4 }), []);
  assert.equal(keysOf(keyspace, { ...all, revision: 6 }), 'future-revision');
});

test('compaction gives the memory of dropped history back, a part with each entry', () => {
  const keyspace = new Keyspace();
  const value = 'x'.repeat(1000);
  for (let i = 0; i < 3000; i++) applyOne(keyspace, putCommand(`key ${i % 10}`, value));
  const before = keyspace.sizeBytes;
  applyOne(keyspace, { type: 'compact', revision: keyspace.revision });
  for (let i = 0; i < 5; i++) applyOne(keyspace, { type: 'tick' });
  assert.ok(before > 3_000_000);
  assert.ok(keyspace.sizeBytes < 20_000);
  assert.equal(keysOf(keyspace, all).length, 10);
  applyOne(keyspace, deleteCommand('\0', '\0'));
  applyOne(keyspace, { type: 'compact', revision: keyspace.revision });
  applyOne(keyspace, putCommand('other'));
  applyOne(keyspace, { type: 'compact', revision: keyspace.revision });
  assert.ok(keyspace.sizeBytes < 200);
});

test('operations are counted by the longest list, and nested ones on top', () => {
  const leaf = txnRequest([compare('a', 'version', 'equal', 0)], [putOperation('a'), putOperation('b')]);
  assert.equal(countOperations(leaf), 2);
  assert.equal(countOperations(txnRequest([], [nested(leaf)], [nested(txnRequest([], [nested(leaf)]))])), 4);
});

test('a branch may not put a key twice, nor put and delete it', () => {
  const put = putOperation('k');
  const cases: [Operation[], boolean][] = [
    [[put, put], true],
    [[put, deleteOperation('k')], true],
    [[deleteOperation('k'), put], true],
    [[deleteOperation('a', 'z'), put], true],
    [[deleteOperation('k'), deleteOperation('a', 'z')], false],
    [[put, deleteOperation('k0', 'z')], false],
    [[put, nested(txnRequest([], [put]))], true],
    [[deleteOperation('k'), nested(txnRequest([], [], [put]))], true],
    [[nested(txnRequest([], [put], [put]))], false],
    [[nested(txnRequest([], [put])), nested(txnRequest([], [], [put]))], true],
    [[nested(txnRequest([], [deleteOperation('k')])), put], true],
    [[nested(txnRequest([], [deleteOperation('k')])), nested(txnRequest([], [put]))], true],
    // etcd looks only at the deletes before: so it takes this, and applies both in order.
    [[nested(txnRequest([], [put])), nested(txnRequest([], [deleteOperation('k')]))], false],
  ];
  for (const [operations, expected] of cases) {
    assert.equal(txnHasDuplicateKeys(txnRequest([], operations)), expected);
    assert.equal(txnHasDuplicateKeys(txnRequest([], [], operations)), expected);
  }
  assert.equal(txnHasDuplicateKeys(txnRequest([], [put], [put])), false);
});
