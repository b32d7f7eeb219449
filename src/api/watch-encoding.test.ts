import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KeyValue, WatchEvent } from '../keyspace/types.ts';
import { services, WatchResponse } from '../wire/index.ts';
import { encodeWatchResponse, eventsOf } from './watch-encoding.ts';

const bytes = fc.uint8Array({ maxLength: 20 });
const keyValue: fc.Arbitrary<KeyValue> = fc.record({
  key: bytes,
  createRevision: fc.nat(),
  modRevision: fc.maxSafeNat(),
  version: fc.nat(),
  value: bytes,
  lease: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
});
const event: fc.Arbitrary<WatchEvent> = fc.record({
  type: fc.constantFrom('put', 'delete'),
  kv: keyValue,
  prevKv: fc.option(keyValue, { nil: undefined }),
});
const header = fc.option(
  fc.record({
    clusterId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    memberId: fc.constant(7n),
    revision: fc.constantFrom(0, 1, 2),
    raftTerm: fc.constantFrom(0, 5),
  }),
  { nil: undefined },
);
const responses = fc.array(
  fc.record({
    header,
    watchId: fc.oneof(fc.integer({ min: -2, max: 300 }), fc.maxSafeInteger()),
    fragment: fc.integer({ min: 0, max: 9 }).map((drawn) => drawn === 0),
  }),
  { minLength: 1, maxLength: 6 },
);

test('events that many watches are sent are encoded as the generated code encodes them', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 4 }), fc.boolean(), responses, (events, shared, drawn) => {
      const batch = { type: 'events', events, revision: 9, shared } as const;
      // One header for all of a member's answers but for its revision and term.
      const clusterId = drawn[0]?.header?.clusterId ?? 0n;
      for (const { header: given, ...rest } of drawn) {
        const head = given === undefined ? undefined : { ...given, clusterId };
        const response = WatchResponse.create({ ...rest, header: head });
        response.events = eventsOf(batch);
        assert.deepEqual(
          Buffer.from(encodeWatchResponse(response)),
          Buffer.from(services.Watch.watch.encodeResponse(response)),
        );
      }
    }),
  );
});

test('shared events are made once', () => {
  const kv = {
    key: new Uint8Array(1),
    createRevision: 2,
    modRevision: 2,
    version: 1,
    value: new Uint8Array(),
    lease: 0n,
  };
  const events = [{ type: 'put', kv, prevKv: undefined }] as const;
  const batch = { type: 'events', events, revision: 2, shared: true } as const;
  assert.equal(eventsOf(batch), eventsOf(batch));
  assert.notEqual(eventsOf({ ...batch, shared: false }), eventsOf({ ...batch, shared: false }));
});
