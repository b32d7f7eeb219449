import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import {
  Compare,
  DeleteRangeRequest,
  ProposeRequest,
  RangeRequest,
  type RequestOp,
  TxnRequest,
} from '../wire/index.ts';
import { conclaveService } from './conclave.ts';
import { kvService } from './kv.ts';
import { TestingCall, TestingMember, testingServices } from './testing.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const all = { key: bytes('k'), rangeEnd: bytes('l') };
const ranges = (count: number, rest: Partial<RangeRequest> = {}): RequestOp[] =>
  Array.from({ length: count }, () => ({
    request: { $case: 'requestRange', value: RangeRequest.create({ ...all, ...rest }) },
  }));

async function setUp(keys: number) {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  const services = testingServices(member, runtime);
  for (let at = 0; at < keys; at += 1000) {
    const success = Array.from({ length: 1000 }, (_, more) => ({
      type: 'put' as const,
      request: {
        ...{ key: bytes(`k${at + more}`), value: bytes(''), lease: 0n },
        ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
      },
    }));
    await member.propose({ type: 'txn', request: { compare: [], success, failure: [] } });
  }
  member.proposed.length = 0;
  return { member, kv: kvService(services), conclave: conclaveService(services) };
}

const refusal = { code: 8, message: /the ranges of this transaction look at \d+ keys/ };

test('a transaction whose ranges would hold everybody up is refused before it is proposed', async () => {
  const { member, kv, conclave } = await setUp(20_000);
  const txn = (success: RequestOp[], compare: Compare[] = []) =>
    kv.txn(TxnRequest.create({ success, compare }), new TestingCall());
  const counts = { countOnly: true };
  // Too many keys to look at: 20,000 in each.
  await assert.rejects(txn(ranges(101, counts)), refusal);
  const compares = Array.from({ length: 60 }, () => Compare.create(all));
  await assert.rejects(txn(ranges(60, counts), compares), refusal);
  const nested = TxnRequest.create({ failure: ranges(60, counts) });
  await assert.rejects(
    txn([...ranges(60, counts), { request: { $case: 'requestTxn', value: nested } }]),
    refusal,
  );
  // Too many to answer.
  await assert.rejects(txn(ranges(6)), refusal);
  await assert.rejects(txn(ranges(6, { keysOnly: true })), refusal);
  const deletes = DeleteRangeRequest.create({ ...all, prevKv: true });
  await assert.rejects(
    txn([...ranges(5), { request: { $case: 'requestDeleteRange', value: deletes } }]),
    refusal,
  );
  const value = TxnRequest.create({ success: ranges(6) });
  const proposal = { incarnation: 1, sequence: 1, acknowledgedBelow: 1 };
  const twice = { requests: [TxnRequest.create({ success: ranges(3) }), value] };
  for (const request of [{ $case: 'txn', value } as const, { $case: 'txnSequence', value: twice } as const]) {
    await assert.rejects(
      async () => conclave.propose(ProposeRequest.create({ ...proposal, request }), new TestingCall()),
      refusal,
    );
  }
  assert.deepEqual(member.proposed, []);
});

test('a transaction with ranges that are not too large is applied, and those of single keys are not counted', async () => {
  const { member, kv } = await setUp(20_000);
  const txn = (success: RequestOp[], failure: RequestOp[] = []) =>
    kv.txn(TxnRequest.create({ success, failure }), new TestingCall());
  const { responses } = await txn(ranges(100, { countOnly: true }), ranges(100, { limit: 1 }));
  assert.equal(responses.length, 100);
  assert.equal((await txn(ranges(5), ranges(5))).responses.length, 5);
  await txn(ranges(120, { rangeEnd: bytes('') }));
  assert.equal(member.proposed.length, 3);
});

test('keys that are deleted, or not asked for by their revision, do not count as an answer', async () => {
  const { member, kv } = await setUp(101_000);
  const txn = (rest: Partial<RangeRequest> = {}) =>
    kv.txn(TxnRequest.create({ success: ranges(1, rest) }), new TestingCall());
  await assert.rejects(txn(), refusal);
  assert.equal((await txn({ minModRevision: member.keyspace.revision })).succeeded, true);
  await member.propose({ type: 'deleteRange', request: { ...all, prevKv: false } });
  const { responses } = await txn();
  assert.equal(responses.length, 1);
});
