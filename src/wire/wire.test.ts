import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BinaryReader as PeerReader, BinaryWriter as PeerWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import {
  BinaryReader,
  BinaryWriter,
  type PutRequest as Put,
  PutRequest,
  RangeRequest,
  type RequestOf,
  ResponseHeader,
  services,
  TxnRequest,
  WatchResponse,
  WireError,
} from './index.ts';

const bytes = (...values: number[]) => Uint8Array.from(values);

test('a put round trips with a bigint lease of all 64 bits', () => {
  const put = PutRequest.create({ key: bytes(1, 255), value: new Uint8Array(300), lease: -(2n ** 63n) });
  assert.deepEqual(PutRequest.decode(PutRequest.encode(put).finish()), put);
  const typed: RequestOf<typeof services.KV.put> = put satisfies Put;
  assert.equal(typed.lease, -9223372036854775808n);
});

test('a header of an etcd cluster round trips, ids of 64 bits included', () => {
  const header: ResponseHeader = {
    clusterId: 0xcdf818194e3a8c32n,
    memberId: 0x8e9e05c52164694dn,
    revision: Number.MAX_SAFE_INTEGER,
    raftTerm: 2 ** 32 + 7,
  };
  assert.deepEqual(ResponseHeader.decode(ResponseHeader.encode(header).finish()), header);
});

test('nested transactions and every compare target round trip', () => {
  const txn = TxnRequest.create({
    compare: [
      { key: bytes(1), targetUnion: { $case: 'createRevision', value: 0 } },
      { key: bytes(2), targetUnion: { $case: 'modRevision', value: -1 } },
      { key: bytes(3), targetUnion: { $case: 'lease', value: 5n }, rangeEnd: bytes(0) },
      { key: bytes(4), targetUnion: { $case: 'value', value: bytes() } },
    ],
    success: [
      {
        request: {
          $case: 'requestTxn',
          value: { success: [{ request: { $case: 'requestPut', value: {} } }] },
        },
      },
    ],
  });
  assert.deepEqual(TxnRequest.decode(TxnRequest.encode(txn).finish()), txn);
});

test('numbers that a number cannot hold are refused in both directions', () => {
  const huge = new PeerWriter()
    .uint32(32)
    .int64(2n ** 53n)
    .finish();
  assert.throws(
    () => RangeRequest.decode(huge),
    new WireError('a 64-bit number is larger than Number.MAX_SAFE_INTEGER'),
  );
  assert.throws(() => RangeRequest.encode(RangeRequest.create({ limit: 0.5 })), WireError);
  assert.throws(() => RangeRequest.encode(RangeRequest.create({ revision: 2 ** 53 })), WireError);
});

test('malformed input is a WireError: cut short, overlapping, bad tags, endless varints, bad UTF-8', () => {
  const event = WatchResponse.encode(
    WatchResponse.create({ cancelReason: 'é', events: [{ kv: { key: bytes(7) } }] }),
  ).finish();
  for (let cut = 1; cut < event.length; cut++) {
    try {
      WatchResponse.decode(event.subarray(0, cut));
    } catch (error) {
      assert.ok(error instanceof WireError);
    }
  }
  const bad = [
    [0x0a, 0x02, 0x08],
    [0x0a, 0x01, 0x1a, 0x01, 0x00],
    [0x00],
    [0x0c],
    [0x0f],
    [0x10, ...Array(11).fill(0xff)],
    [0x32, 1, 0xff],
  ];
  for (const input of bad) assert.throws(() => WatchResponse.decode(bytes(...input)), WireError, `${input}`);
});

test('unknown fields and groups are passed over', () => {
  const input = bytes(0xa3, 0x06, 0x08, 0x01, 0xa4, 0x06, 0xaa, 0x06, 0x02, 0x01, 0x02, 0x0a, 0x01, 0x41);
  assert.deepEqual(PutRequest.decode(input).key, bytes(0x41));
});

test('bytes are views of the input and never Buffers', () => {
  const input = Buffer.from(PutRequest.encode(PutRequest.create({ key: bytes(1, 2) })).finish());
  const { key } = PutRequest.decode(input);
  assert.equal(key.constructor, Uint8Array);
  input[2] = 9;
  assert.deepEqual(key, bytes(9, 2));
});

test('descriptors name etcd paths and stream shapes', () => {
  assert.equal(services.KV.deleteRange.path, '/etcdserverpb.KV/DeleteRange');
  assert.equal(services.Conclave.keepAliveBatch.path, '/conclave.v1.Conclave/KeepAliveBatch');
  assert.equal(services.Election.observe.path, '/v3electionpb.Election/Observe');
  assert.deepEqual(
    [services.Election.observe.requestStream, services.Election.observe.responseStream],
    [false, true],
  );
  const put = services.KV.put.decodeRequest(services.KV.put.encodeRequest(PutRequest.create({ lease: 3n })));
  assert.equal(put.lease, 3n);
});

test('the codec agrees with another implementation of protobuf', () => {
  const value = fc.record({
    int: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    uint: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    number: fc.maxSafeInteger(),
    small: fc.integer(),
    text: fc.string({ unit: 'grapheme', maxLength: 200 }),
    data: fc.uint8Array({ maxLength: 200 }),
    real: fc.double(),
    depth: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(value, (v) => {
      const write = (writer: BinaryWriter | PeerWriter): Uint8Array => {
        for (let level = 0; level < v.depth; level++) writer.fork();
        writer.int64(v.int).uint64(v.uint).int64(v.number).int32(v.small).string(v.text).bytes(v.data);
        writer.double(v.real).bool(v.small > 0);
        for (let level = 0; level < v.depth; level++) writer.join();
        return writer.finish();
      };
      const encoded = write(new BinaryWriter());
      assert.deepEqual(encoded, write(new PeerWriter()));
      const ours = new BinaryReader(encoded);
      const peer = new PeerReader(encoded);
      for (let level = 0; level < v.depth; level++) assert.equal(ours.uint32(), peer.uint32());
      assert.deepEqual(
        [ours.int64(), ours.uint64(), ours.int64Number(), ours.int32(), ours.string(), ours.bytes()],
        [v.int, v.uint, v.number, v.small, v.text, v.data],
      );
      assert.deepEqual([ours.double(), ours.bool(), ours.pos], [v.real, v.small > 0, encoded.length]);
    }),
    { numRuns: 1000 },
  );
});
