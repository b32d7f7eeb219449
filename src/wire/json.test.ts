import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  jsonToWire,
  LeaseGrantRequest,
  RangeRequest,
  RangeResponse,
  schema,
  services,
  TxnRequest,
  WatchRequest,
  WatchResponse,
  WireError,
  wireToJson,
  wireToJsonParts,
} from './index.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const rangeOf = (text: string) => RangeRequest.decode(jsonToWire('etcdserverpb.RangeRequest', text));

function refusal(type: string, text: string): string {
  try {
    jsonToWire(type, text);
  } catch (error) {
    assert.ok(error instanceof WireError);
    return error.message;
  }
  assert.fail(`${text} was taken`);
}

test('a request may name its fields either way, and give numbers and enums in any of their forms', () => {
  const wanted = RangeRequest.create({ key: bytes('a'), rangeEnd: bytes('b'), limit: 7, sortOrder: 2 });
  for (const text of [
    '{"key":"YQ==","range_end":"Yg==","limit":7,"sort_order":"DESCEND"}',
    '{"key":"YQ==","rangeEnd":"Yg==","limit":"7","sortOrder":2}',
    '{"key":"YQ==","range_end":"Yg==","limit":7,"sort_order":2,"revision":null,"unheard_of":{}}',
  ]) {
    assert.deepEqual(rangeOf(text), wanted, text);
  }
});

test('a 64-bit number keeps its digits, quoted or not', () => {
  for (const ID of ['9223372036854775807', '"9223372036854775807"']) {
    const grant = LeaseGrantRequest.decode(
      jsonToWire('etcdserverpb.LeaseGrantRequest', `{"ID":${ID},"TTL":-1}`),
    );
    assert.deepEqual(grant, { ID: 2n ** 63n - 1n, TTL: -1 });
  }
});

test('a member of a oneof at its zero value is there all the same', () => {
  const text = '{"compare":[{"key":"YQ==","target":"VERSION","version":0}]}';
  const { compare } = TxnRequest.decode(jsonToWire('etcdserverpb.TxnRequest', text));
  assert.deepEqual(compare[0]?.targetUnion, { $case: 'version', value: 0 });
});

test('what a field cannot hold is refused in the words of Go', () => {
  const range = 'etcdserverpb.RangeRequest';
  const cannot = (what: string) => `json: cannot unmarshal ${what}`;
  const refused: readonly [text: string, message: string][] = [
    ['[]', cannot('array into Go value of type map[string]json.RawMessage')],
    ['"x"', cannot('string into Go value of type map[string]json.RawMessage')],
    ['{"key":1}', cannot('number into Go value of type []uint8')],
    ['{"key":"!!"}', 'illegal base64 data at input byte 0'],
    ['{"key":"YQ"}', 'illegal base64 data at input byte 0'],
    ['{"limit":"x"}', "invalid character 'x' looking for beginning of value"],
    ['{"limit":1.5}', cannot('number 1.5 into Go value of type int64')],
    ['{"limit":9223372036854775808}', cannot('number 9223372036854775808 into Go value of type int64')],
    ['{"limit":true}', cannot('bool into Go value of type int64')],
    ['{"sort_order":"NOPE"}', 'unknown value "NOPE" for enum etcdserverpb.RangeRequest_SortOrder'],
    ['{"sort_order":"toString"}', 'unknown value "toString" for enum etcdserverpb.RangeRequest_SortOrder'],
    ['{"serializable":"true"}', cannot('string into Go value of type bool')],
  ];
  for (const [text, message] of refused) assert.equal(refusal(range, text), message, text);
  assert.match(refusal(range, '{"key"'), /^invalid JSON: /);
});

test('nesting without end is refused, and does not end the process', () => {
  const depth = 10_000;
  const text = `${'{"success":[{"request_txn":'.repeat(depth)}{}${'}]}'.repeat(depth)}`;
  assert.match(refusal('etcdserverpb.TxnRequest', text), /nested deeper|invalid JSON/);
});

test('an answer has the names of the .proto, strings for 64-bit numbers, and no zero values', () => {
  const answer = RangeResponse.encode(
    RangeResponse.create({
      header: { clusterId: 2n ** 64n - 1n, revision: 5, raftTerm: 2 },
      kvs: [{ key: bytes('a'), createRevision: 5, modRevision: 5, version: 1, value: bytes('v') }],
      count: 1,
    }),
  ).finish();
  assert.equal(
    wireToJson('etcdserverpb.RangeResponse', answer),
    '{"header":{"cluster_id":"18446744073709551615","revision":"5","raft_term":"2"},' +
      '"kvs":[{"key":"YQ==","create_revision":"5","mod_revision":"5","version":"1","value":"dg=="}],"count":"1"}',
  );
  const deleted = WatchResponse.encode(
    WatchResponse.create({ events: [{ type: 1, kv: { key: bytes('a') } }, { kv: { key: bytes('a') } }] }),
  ).finish();
  assert.equal(
    wireToJson('etcdserverpb.WatchResponse', deleted),
    '{"events":[{"type":"DELETE","kv":{"key":"YQ=="}},{"kv":{"key":"YQ=="}}]}',
  );
});

test('repeated enums are read packed and unpacked', () => {
  const request = WatchRequest.encode(
    WatchRequest.create({
      requestUnion: { $case: 'createRequest', value: { key: bytes('a'), filters: [0, 1] } },
    }),
  ).finish();
  const json = '{"create_request":{"key":"YQ==","filters":["NOPUT","NODELETE"]}}';
  assert.equal(wireToJson('etcdserverpb.WatchRequest', request), json);
  assert.equal(wireToJson('etcdserverpb.WatchRequest', jsonToWire('etcdserverpb.WatchRequest', json)), json);
});

test('every method of every service has its messages in the schema', () => {
  for (const service of Object.values(services)) {
    for (const { path } of Object.values(service)) {
      for (const type of schema.methods[path] ?? ['none'])
        assert.ok(schema.messages[type], `${path}: ${type}`);
    }
  }
});

test('JSON of any shape is decoded or refused with a WireError', () => {
  const requests = Object.values(schema.methods).map(([request]) => request);
  fc.assert(
    fc.property(fc.constantFrom(...requests), fc.json({ maxDepth: 6 }), (type, text) => {
      try {
        jsonToWire(type, text);
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
      }
    }),
  );
});

test('any message that is decoded from JSON comes back from its own JSON', () => {
  const fields = fc.record(
    {
      key: fc.base64String({ maxLength: 20 }),
      range_end: fc.base64String({ maxLength: 20 }),
      limit: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
      sort_target: fc.constantFrom('VERSION', 'CREATE', 'VALUE'),
      keys_only: fc.boolean(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fields, (value) => {
      const wire = jsonToWire('etcdserverpb.RangeRequest', JSON.stringify(value));
      const again = jsonToWire('etcdserverpb.RangeRequest', wireToJson('etcdserverpb.RangeRequest', wire));
      assert.deepEqual(again, wire);
    }),
  );
});

test('values in a request are as JSON has them, whatever stands in its texts', () => {
  const spelt = (text: string) => {
    try {
      return rangeOf(text).limit;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const cannot = (number: string) => `json: cannot unmarshal number ${number} into Go value of type int64`;
  for (const strange of [
    String.raw`"\\"`,
    String.raw`"\""`,
    '"12345678901234567890,1.5"',
    '[1.5,-1e9]',
    '{}',
  ]) {
    assert.equal(spelt(`{"unheard_of":${strange},"limit":9007199254740991}`), 9007199254740991, strange);
  }
  for (const number of ['1.5', '1.0', '1e3', '9223372036854775808']) {
    assert.equal(spelt(`{"limit": ${number} }`), cannot(number));
  }
  for (const broken of ['01', '1.2.3', '-', '1e', '12345678901234567890123x']) {
    assert.match(String(spelt(`{"limit":${broken}}`)), /^invalid JSON/, broken);
  }
  assert.match(String(spelt('{1.5 :2}')), /^invalid JSON/);
  assert.equal(spelt('{"limit":-0}'), 0);
});

test('numbers without end in a request take no longer than other text of its size', () => {
  const ones = `{"unheard_of":[${'1,'.repeat(1_000_000)}1]}`;
  const calls = { count: 0 };
  const original = JSON.parse;
  // What took so long was to be called back for each value.
  JSON.parse = (text: string, reviver?: unknown) => {
    if (reviver !== undefined) calls.count += 1;
    return original(text) as unknown;
  };
  try {
    assert.deepEqual(rangeOf(ones), RangeRequest.create());
  } finally {
    JSON.parse = original;
  }
  assert.equal(calls.count, 0);
  assert.match(refusal('etcdserverpb.RangeRequest', `[${'1.5,'.repeat(200_000)}1]`), /too many/);
});

test('an answer in pieces is the same text, wherever it is cut', () => {
  const header = { clusterId: 1n, memberId: 2n, revision: 3, raftTerm: 4 };
  const kv = (value: Uint8Array) => ({
    ...{ key: bytes('k'), value, createRevision: 1, modRevision: 2, version: 1, lease: 0n },
  });
  const property = fc.property(
    fc.array(fc.uint8Array({ maxLength: 30 }).map(kv), { maxLength: 20 }),
    fc.boolean(),
    fc.boolean(),
    fc.integer({ min: 1, max: 200 }),
    (kvs, more, withHeader, partBytes) => {
      const answer = { kvs, more, count: kvs.length, header: withHeader ? header : undefined };
      const wire = RangeResponse.encode(answer).finish();
      const parts = [...wireToJsonParts('etcdserverpb.RangeResponse', wire, partBytes)];
      assert.equal(parts.join(''), wireToJson('etcdserverpb.RangeResponse', wire));
      assert.ok(parts.length >= wire.length / (partBytes + 60));
    },
  );
  fc.assert(property);
});
