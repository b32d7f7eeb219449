import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBatch } from './codec-batch.ts';
import { Keyspace } from './keyspace.ts';
import { drawBatch, Tape } from './testing/generate.ts';
import { Model } from './testing/model.ts';
import {
  applyAll,
  applyOne,
  putCommand,
  putOperation,
  rangeOf,
  rangeOperation,
  rangeRequest,
  text,
  txnRequest,
} from './testing/requests.ts';
import type { Command, CommandIdentity, Operation } from './types.ts';

function txn(...operations: Operation[]): Command {
  return { type: 'txn', request: txnRequest([], operations) };
}

function registered(): Keyspace {
  const keyspace = new Keyspace();
  applyOne(keyspace, { type: 'registerClient', name: 'test' });
  return keyspace;
}

function filled(count: number, value = ''): Keyspace {
  const keyspace = registered();
  applyAll(
    keyspace,
    Array.from({ length: count }, (_, at) => putCommand(`key ${at}`, value)),
  );
  return keyspace;
}

test('the first of a range in any order are those of a sort of all of it', () => {
  const order = fc.constantFrom('none', 'ascend', 'descend');
  const target = fc.constantFrom('key', 'version', 'create', 'mod', 'value');
  const values = fc.array(fc.constantFrom('', 'a', 'b', 'ab', 'c'), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(
      values,
      order,
      target,
      fc.integer({ min: 1, max: 70 }),
      (written, sortOrder, sortTarget, limit) => {
        const keyspace = new Keyspace();
        for (const [at, value] of written.entries()) {
          applyOne(keyspace, putCommand(`key ${(at * 7) % 41}`, value));
        }
        const read = (most: number) => {
          const request = rangeRequest('\0', '\0', { sortOrder, sortTarget, limit: most });
          return rangeOf(keyspace, request);
        };
        // Without an order only what the limit let through is sorted.
        if (sortOrder === 'none' && sortTarget !== 'key') return;
        const all = read(0).kvs;
        const some = read(limit);
        assert.deepEqual(some.kvs, all.slice(0, limit));
        assert.deepEqual([some.count, some.more], [all.length, all.length > limit]);
      },
    ),
    { numRuns: 300 },
  );
});

test('who answers nobody reads no ranges, and has the same state', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 3000 }), (seed, length) => {
      const tape = new Tape(seed, length);
      const model = new Model();
      const [answering, silent] = [new Keyspace(), new Keyspace()];
      for (let index = 1; !tape.done; index++) {
        const batch = drawBatch(tape, model, model.timeMs);
        model.apply(batch);
        const results = answering.apply(index, encodeBatch(batch));
        const others = silent.apply(index, encodeBatch(batch), false);
        assert.deepEqual(
          others.map(({ revision, outcome }) => [revision, outcome.type]),
          results.map(({ revision, outcome }) => [revision, outcome.type]),
        );
        assert.equal(silent.stateHash(), answering.stateHash());
      }
    }),
    { numRuns: 60 },
  );
});

test('ranges in a transaction that nobody waits for are not read', () => {
  const keyspace = filled(20);
  const command = txn(putOperation('x'), rangeOperation('\0', '\0'));
  const data = encodeBatch({ timeMs: 0, commands: [{ command, identity: undefined }] });
  const [result] = keyspace.apply(keyspace.appliedIndex + 1, data, false);
  assert.ok(result?.outcome.type === 'txn');
  const [, range] = result.outcome.result.responses;
  assert.deepEqual(range?.type === 'range' && range.result.kvs, []);
  assert.equal(rangeOf(keyspace, rangeRequest('x')).count, 1);
});

for (const [what, keyspaceOf, more] of [
  ['very many keys', () => filled(10_001), { countOnly: true }],
  ['very many bytes', () => filled(300, 'v'.repeat(1000)), {}],
] as const) {
  test(`the result of a transaction whose ranges look at ${what} is kept by no replica, and it is not applied again`, () => {
    const identity: CommandIdentity = { incarnation: 1, sequence: 1, acknowledgedBelow: 0 };
    const command = txn(putOperation('key 1', 'new'), rangeOperation('\0', '\0', more));
    const replicas = [true, false].map((wanted) => {
      const keyspace = keyspaceOf();
      const data = encodeBatch({ timeMs: 0, commands: [{ command, identity }] });
      const apply = () => keyspace.apply(keyspace.appliedIndex + 1, data, wanted)[0]?.outcome;
      const first = apply();
      assert.ok(first?.type === 'txn');
      const [, range] = first.result.responses;
      if (wanted) assert.ok(range?.type === 'range' && range.result.count >= 300);
      assert.deepEqual(apply(), { type: 'failed', failure: 'sequence-forgotten' });
      const [kv] = rangeOf(keyspace, rangeRequest('key 1')).kvs;
      assert.deepEqual([kv && text(kv.value), kv?.version], ['new', 2]);
      return keyspace.stateHash();
    });
    assert.equal(replicas[0], replicas[1]);
  });
}

test('the result of a transaction whose ranges are small is kept by every replica, and given again', () => {
  const identity: CommandIdentity = { incarnation: 1, sequence: 1, acknowledgedBelow: 0 };
  const data = encodeBatch({
    timeMs: 0,
    commands: [{ command: txn(rangeOperation('\0', '\0', { limit: 2 })), identity }],
  });
  const keyspace = filled(100);
  keyspace.apply(keyspace.appliedIndex + 1, data, false);
  const again = keyspace.apply(keyspace.appliedIndex + 1, data)[0]?.outcome;
  assert.ok(again?.type === 'txn');
  const [range] = again.result.responses;
  assert.deepEqual(range?.type === 'range' && [range.result.kvs.length, range.result.count], [2, 100]);
});
