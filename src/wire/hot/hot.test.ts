import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PutRequest, PutResponse, RangeRequest, RangeResponse } from '../generated/etcd/etcdserverpb/kv.ts';
import { decodePutRequest, decodeRangeRequest, encodePutResponse, encodeRangeResponse } from './index.ts';

const bytes = fc.uint8Array({ maxLength: 200 });
const number = fc.oneof(fc.nat(300), fc.maxSafeNat());
const signed = fc.oneof(
  number,
  number.map((n) => -n),
);
const id = fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), fc.nat().map(BigInt));
const header = fc.record({
  clusterId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  memberId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  revision: number,
  raftTerm: number,
});
const keyValue = fc.record({
  key: bytes,
  createRevision: number,
  modRevision: number,
  version: number,
  value: fc.uint8Array({ maxLength: 5000 }),
  lease: id,
});
const putRequest = fc.record({
  key: bytes,
  value: bytes,
  lease: id,
  prevKv: fc.boolean(),
  ignoreValue: fc.boolean(),
  ignoreLease: fc.boolean(),
});
const rangeRequest = fc.record({
  key: bytes,
  rangeEnd: bytes,
  limit: signed,
  revision: signed,
  sortOrder: fc.constantFrom(0, 0, 1, 2),
  sortTarget: fc.constantFrom(0, 0, 4),
  serializable: fc.boolean(),
  keysOnly: fc.boolean(),
  countOnly: fc.boolean(),
  minModRevision: fc.oneof(fc.constant(0), signed),
  maxModRevision: fc.constant(0),
  minCreateRevision: fc.constant(0),
  maxCreateRevision: fc.constant(0),
});

/** What the generated code makes of the bytes, where it takes them whole. */
function generated<T>(decode: (bytes: Uint8Array) => T, wire: Uint8Array): T | undefined {
  try {
    return decode(wire);
  } catch {
    return undefined;
  }
}

test('puts and ranges are decoded as by the generated code, and most of them', () => {
  let decoded = 0;
  fc.assert(
    fc.property(putRequest, rangeRequest, fc.boolean(), (put, range, asBuffer) => {
      const form = (wire: Uint8Array) => (asBuffer ? Buffer.from(wire) : wire);
      const putWire = PutRequest.encode(put).finish();
      const rangeWire = RangeRequest.encode(range).finish();
      const hotPut = decodePutRequest(form(putWire));
      const hotRange = decodeRangeRequest(form(rangeWire));
      if (hotPut !== undefined) assert.deepEqual(hotPut, PutRequest.decode(putWire));
      if (hotRange !== undefined) assert.deepEqual(hotRange, RangeRequest.decode(rangeWire));
      if (hotPut?.key !== undefined) assert.equal(hotPut.key.constructor, Uint8Array);
      decoded += (hotPut === undefined ? 0 : 1) + (hotRange === undefined ? 0 : 1);
    }),
    { numRuns: 500 },
  );
  assert.ok(decoded > 300, `${decoded} of 1000`);
});

test('of any bytes, what is decoded is what the generated code decodes', () => {
  const tags = fc.constantFrom(10, 18, 24, 32, 40, 48, 56, 64, 72, 0, 1, 2, 3, 127, 128, 255);
  const wires = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.array(fc.oneof(tags, fc.nat(4)), { maxLength: 24 }).map((list) => Uint8Array.from(list)),
  );
  fc.assert(
    fc.property(wires, (wire) => {
      const put = decodePutRequest(wire);
      const range = decodeRangeRequest(wire);
      if (put !== undefined)
        assert.deepEqual(
          put,
          generated((from) => PutRequest.decode(from), wire),
        );
      if (range !== undefined)
        assert.deepEqual(
          range,
          generated((from) => RangeRequest.decode(from), wire),
        );
    }),
    { numRuns: 5000 },
  );
});

test('answers are encoded to the bytes of the generated code, and stay as they are', () => {
  const kept: { bytes: Uint8Array; wanted: Uint8Array }[] = [];
  const keep = (bytes: Uint8Array | undefined, wanted: Uint8Array) => {
    if (bytes === undefined) return;
    assert.deepEqual(new Uint8Array(bytes), new Uint8Array(wanted));
    kept.push({ bytes, wanted });
  };
  fc.assert(
    fc.property(
      header,
      fc.array(keyValue, { maxLength: 2 }),
      number,
      fc.boolean(),
      (head, kvs, count, more) => {
        const put: PutResponse = { header: head, prevKv: kvs[1] };
        keep(encodePutResponse(put), PutResponse.encode(put).finish());
        const range: RangeResponse = {
          header: head,
          kvs: kvs.map((one) => ({ ...one, lease: 0n })),
          more,
          count,
        };
        keep(encodeRangeResponse(range), RangeResponse.encode(range).finish());
        keep(encodeRangeResponse({ ...range, kvs }), RangeResponse.encode({ ...range, kvs }).finish());
      },
    ),
    { numRuns: 1000 },
  );
  assert.ok(kept.length > 500, `${kept.length}`);
  for (const { bytes, wanted } of kept) assert.deepEqual(new Uint8Array(bytes), new Uint8Array(wanted));
});
