import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { ProposeRequest, services, TxnRequest } from '../wire/index.ts';
import { mostElements } from './elements.ts';
import { createRegistry } from './registry.ts';
import { toStatus } from './status.ts';
import { TestingMember, testingServices } from './testing.ts';

const runtime = manualRuntime();
const registry = createRegistry(testingServices(new TestingMember(runtime), runtime));
const tooMany = 'etcdserver: too many operations in txn request';

function told(method: { readonly path: string }, bytes: Uint8Array): string {
  try {
    registry.get(method.path)?.decode(bytes);
    return 'decoded';
  } catch (error) {
    return toStatus(error).message;
  }
}

/** So many empty compares, success or failure operations. */
const bare = (field: 1 | 2 | 3, elements: number): Buffer =>
  Buffer.from(Array.from({ length: elements }, () => [field * 8 + 2, 0]).flat());

test('a transaction of too many parts is refused before they are decoded, wherever in it they stand', () => {
  for (const field of [1, 2, 3] as const) {
    assert.equal(told(services.KV.txn, bare(field, mostElements)), 'decoded');
    assert.equal(told(services.KV.txn, bare(field, mostElements + 1)), tooMany);
  }
  const half = TxnRequest.decode(bare(1, mostElements / 2));
  const nested = { request: { $case: 'requestTxn', value: half } } as const;
  const twice = TxnRequest.create({ success: [nested], failure: [nested] });
  assert.equal(told(services.KV.txn, TxnRequest.encode(twice).finish()), tooMany);
  assert.equal(told(services.KV.txn, TxnRequest.encode({ ...twice, failure: [] }).finish()), 'decoded');
  for (const request of [
    { $case: 'txn', value: twice },
    { $case: 'txnSequence', value: { requests: [half, half, nested.request.value] } },
  ] as const) {
    const proposal = ProposeRequest.encode(ProposeRequest.create({ incarnation: 1, request })).finish();
    assert.equal(told(services.Conclave.propose, proposal), tooMany);
  }
});

test('what is no transaction is left to the decoder', () => {
  const broken = Buffer.concat([bare(1, mostElements), Buffer.from([0x0a, 0xff, 0xff, 0xff])]);
  assert.match(told(services.KV.txn, broken), /cannot be decoded/);
  const value = TxnRequest.create({
    success: [{ request: { $case: 'requestPut', value: { ...putOf(bare(2, 3 * mostElements)) } } }],
  });
  assert.equal(told(services.KV.txn, TxnRequest.encode(value).finish()), 'decoded');
});

function putOf(value: Uint8Array) {
  const nothing = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
  return { key: Uint8Array.of(1), value, ...nothing };
}
