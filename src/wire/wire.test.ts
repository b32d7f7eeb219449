import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import {
  type AnyMethod,
  type DeepPartial,
  KeepAliveBatchResponse,
  type PutRequest as Put,
  PutRequest,
  PutResponse,
  RangeRequest,
  type RequestOf,
  ResponseHeader,
  services,
  TxnRequest,
  WatchResponse,
  WireError,
} from './index.ts';

const bytes = (...values: number[]) => Uint8Array.from(values);
const { put, range, txn } = services.KV;
const { watch } = services.Watch;
const methods: AnyMethod[] = Object.values(services).flatMap((service) => Object.values<AnyMethod>(service));

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const data = fc.uint8Array({ maxLength: 200 });
const text = fc.string({ unit: 'grapheme', maxLength: 200 });
const header = fc.record({
  clusterId: uint64,
  memberId: uint64,
  revision: fc.maxSafeInteger(),
  raftTerm: fc.maxSafeNat(),
});
const puts = fc.record({ key: data, value: data, lease: int64, prevKv: fc.boolean() });
const compare = fc.record({
  key: data,
  rangeEnd: data,
  targetUnion: fc.oneof(
    fc.record({
      $case: fc.constantFrom('version', 'createRevision', 'modRevision'),
      value: fc.maxSafeInteger(),
    }),
    fc.record({ $case: fc.constant('value'), value: data }),
    fc.record({ $case: fc.constant('lease'), value: int64 }),
  ),
});
const { transaction } = fc.letrec<{ transaction: DeepPartial<TxnRequest> }>((tie) => ({
  transaction: fc.record({
    compare: fc.array(compare, { maxLength: 3 }),
    success: fc.array(
      fc.oneof(
        { maxDepth: 4 },
        fc.record({ request: fc.record({ $case: fc.constant('requestPut'), value: puts }) }),
        fc.record({ request: fc.record({ $case: fc.constant('requestTxn'), value: tie('transaction') }) }),
      ),
      { maxLength: 3 },
    ),
  }) as fc.Arbitrary<DeepPartial<TxnRequest>>,
}));

/** Passes when `decode` returns or throws WireError. */
function decodesOrRefuses(decode: (input: Uint8Array) => unknown, input: Uint8Array) {
  try {
    decode(input);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
}

/** A transaction in a transaction, `depth` of them. */
function nested(depth: number): Uint8Array {
  let inner: Uint8Array = bytes();
  for (let level = 1; level < depth; level++) {
    const operation = new BinaryWriter().uint32(34).bytes(inner).finish();
    inner = new BinaryWriter().uint32(18).bytes(operation).finish();
  }
  return inner;
}

test('puts round trip, leases of all 64 bits included', () => {
  fc.assert(
    fc.property(puts, header, (fields, responseHeader) => {
      const request = PutRequest.create(fields);
      assert.deepEqual(put.decodeRequest(put.encodeRequest(request)), request);
      const response = PutResponse.create({
        header: responseHeader,
        prevKv: { key: fields.key, lease: fields.lease },
      });
      assert.deepEqual(put.decodeResponse(put.encodeResponse(response)), response);
    }),
  );
  const typed: RequestOf<typeof put> = PutRequest.create({ lease: 3n }) satisfies Put;
  assert.equal(put.decodeRequest(put.encodeRequest(typed)).lease, 3n);
});

test('nested transactions and every compare target round trip', () => {
  fc.assert(
    fc.property(transaction, (fields) => {
      const request = TxnRequest.create(fields);
      assert.deepEqual(txn.decodeRequest(txn.encodeRequest(request)), request);
    }),
  );
});

test('watch responses, text and lists of numbers round trip', () => {
  const { keepAliveBatch } = services.Conclave;
  fc.assert(
    fc.property(
      text,
      header,
      fc.array(int64),
      fc.array(fc.maxSafeInteger()),
      (cancelReason, head, IDs, ttlMs) => {
        const seen = WatchResponse.create({
          header: head,
          cancelReason,
          events: [{ type: 1, kv: { key: bytes(7), modRevision: head.revision } }],
        });
        assert.deepEqual(watch.decodeResponse(watch.encodeResponse(seen)), seen);
        const kept = KeepAliveBatchResponse.create({ header: head, IDs, ttlMs });
        assert.deepEqual(keepAliveBatch.decodeResponse(keepAliveBatch.encodeResponse(kept)), kept);
      },
    ),
  );
});

test('ids of 64 bits and numbers up to the largest exact one keep their values', () => {
  const etcd: ResponseHeader = {
    clusterId: 0xcdf818194e3a8c32n,
    memberId: 0x8e9e05c52164694dn,
    revision: Number.MAX_SAFE_INTEGER,
    raftTerm: 2 ** 32 + 7,
  };
  assert.deepEqual(ResponseHeader.decode(ResponseHeader.encode(etcd).finish()), etcd);
});

test('a 64-bit value that its field cannot hold is refused', () => {
  for (const limit of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n]) {
    const input = new BinaryWriter().uint32(24).int64(limit).finish();
    assert.throws(
      () => range.decodeRequest(input),
      /etcdserverpb\.KV\/Range cannot be decoded.*SAFE_INTEGER/,
    );
    assert.throws(() => range.decodeRequest(input), WireError);
  }
  for (const limit of [0.5, Number.NaN, 2 ** 63]) {
    assert.throws(() => range.encodeRequest(RangeRequest.create({ limit })), WireError, `${limit}`);
  }
  const version = { $case: 'version', value: 2 ** 63 } as const;
  assert.throws(
    () => txn.encodeRequest(TxnRequest.create({ compare: [{ targetUnion: version }] })),
    WireError,
  );
  assert.throws(() => put.encodeRequest(PutRequest.create({ lease: 2n ** 63n })), WireError);
});

test('malformed input is a WireError that names the call', () => {
  const bad = {
    'cut short in a varint': [0x10, 0x80],
    'cut short in a nested message': [0x0a, 0x02, 0x08],
    'cut short in an unknown field': [0xa1, 0x06, 0x01],
    'endless varint': [0x10, ...Array(11).fill(0xff)],
    'field number 0': [0x00, 0x00],
    'end of a group that was not opened': [0x0c, 0x10, 0x01],
    'groups without end': Array(1000).fill(0x6b),
    'wire type 7': [0x0f],
    'text that is no UTF-8': [0x32, 1, 0xff],
  };
  for (const [what, input] of Object.entries(bad)) {
    const decode = () => watch.decodeResponse(bytes(...input));
    assert.throws(decode, WireError, what);
    assert.throws(
      decode,
      /^WireError: the response of etcdserverpb\.Watch\/Watch cannot be decoded: ./,
      what,
    );
  }
});

test('whatever the bytes, every decoder returns or throws WireError', () => {
  fc.assert(
    fc.property(fc.constantFrom(...methods), fc.uint8Array({ maxLength: 60 }), (method, input) => {
      decodesOrRefuses(method.decodeRequest, input);
      decodesOrRefuses(method.decodeResponse, input);
    }),
    { numRuns: 3000 },
  );
});

test('a request that was damaged on the way is decoded or is a WireError', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
  fc.assert(
    fc.property(transaction, damage, fc.nat(), (fields, changes, cut) => {
      const input = txn.encodeRequest(TxnRequest.create(fields));
      for (const [at, value] of changes) if (input.length > 0) input[at % input.length] = value;
      decodesOrRefuses(txn.decodeRequest, input);
      decodesOrRefuses(txn.decodeRequest, input.subarray(0, cut % (input.length + 1)));
    }),
    { numRuns: 500 },
  );
});

test('messages nested deeper than 100 are refused', () => {
  // Each level is two messages: the transaction and the operation around it.
  txn.decodeRequest(nested(50));
  assert.throws(() => txn.decodeRequest(nested(51)), WireError);
  assert.throws(() => txn.decodeRequest(nested(1000)), WireError);
});

test('unknown fields and groups are passed over', () => {
  const input = bytes(0xa3, 0x06, 0x08, 0x01, 0xa4, 0x06, 0xaa, 0x06, 0x02, 0x01, 0x02, 0x0a, 0x01, 0x41);
  assert.deepEqual(put.decodeRequest(input).key, bytes(0x41));
});

test('decoded bytes are views of the input and never Buffers', () => {
  const input = Buffer.from(put.encodeRequest(PutRequest.create({ key: bytes(1, 2) })));
  const { key } = put.decodeRequest(input);
  assert.equal(key.constructor, Uint8Array);
  input[2] = 9;
  assert.deepEqual(key, bytes(9, 2));
});

test('encoded bytes share nothing with the message', () => {
  const request = PutRequest.create({ key: bytes(1, 2) });
  const encoded = put.encodeRequest(request);
  request.key[0] = 9;
  assert.deepEqual(put.decodeRequest(encoded).key, bytes(1, 2));
});

test('descriptors name etcd paths and stream shapes', () => {
  assert.equal(services.KV.deleteRange.path, '/etcdserverpb.KV/DeleteRange');
  assert.equal(services.Conclave.keepAliveBatch.path, '/conclave.v1.Conclave/KeepAliveBatch');
  assert.equal(services.Election.observe.path, '/v3electionpb.Election/Observe');
  assert.deepEqual(
    [services.Election.observe.requestStream, services.Election.observe.responseStream],
    [false, true],
  );
});
