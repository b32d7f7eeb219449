import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { RangeRequest, RangeResponse } from '../wire/index.ts';
import { kvService } from './kv.ts';
import { encodeRangeResponse } from './large-ranges.ts';
import { failure } from './status.ts';
import { TestingCall, TestingMember, testingServices } from './testing.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const everything = RangeRequest.create({ key: bytes('k'), rangeEnd: bytes('l') });

async function setUp(keys: number, valueBytes: number) {
  const manual = manualRuntime();
  let turns = 0;
  const nextTurn = (callback: () => void): void => {
    turns += 1;
    manual.timers.nextTurn(callback);
  };
  const after: typeof manual.timers.after = (...args) => manual.timers.after(...args);
  const runtime = { ...manual, timers: { after, nextTurn } };
  const member = new TestingMember(runtime);
  const kv = kvService(testingServices(member, runtime));
  const put = (key: string, value: Uint8Array) =>
    member.propose({
      type: 'put',
      request: { key: bytes(key), value, lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false },
    });
  for (let at = 0; at < keys; at++) await put(`k${at}`, new Uint8Array(valueBytes).fill(at));
  return { member, kv, put, turns: () => turns };
}

/** As generated code encodes what the store says at once. */
function atOnce(member: TestingMember, request: RangeRequest, header: RangeResponse['header']): Uint8Array {
  const result = member.keyspace.range({ ...request, sortOrder: 'none', sortTarget: 'key' });
  assert.ok(!('failed' in result));
  return RangeResponse.encode(RangeResponse.create({ ...result, kvs: [...result.kvs], header })).finish();
}

/** Whether nothing compacted is kept any more. */
function isTidy({ keyspace }: TestingMember): boolean {
  while (!keyspace.tidy());
  return keyspace.compactionDone;
}

test('a large range is read in many turns of the loop, at one revision, whatever is written meanwhile', async () => {
  const { member, kv, put, turns } = await setUp(3000, 100);
  const request = { ...everything, limit: 2900 };
  const wanted = atOnce(member, request, { clusterId: 0xc1n, memberId: 0xa1n, revision: 3001, raftTerm: 7 });
  const before = turns();
  const reading = kv.range(request, new TestingCall());
  for (let tick = 0; tick < 100; tick++) await Promise.resolve();
  for (let at = 0; at < 3000; at++) await put(`k${at}`, bytes('other'));
  await member.propose({ type: 'compact', revision: member.keyspace.revision });
  assert.ok(!isTidy(member), 'what is read has been dropped');
  const answer = await reading;
  assert.deepEqual(Buffer.from(encodeRangeResponse(answer)), Buffer.from(wanted));
  assert.equal(answer.kvs.length, 2900);
  assert.ok(turns() - before >= 5, `${turns() - before} turns`);
  assert.ok(isTidy(member));
});

test('a range of few long values is read in as many turns as they take', async () => {
  const { member, kv, turns } = await setUp(20, 200_000);
  const before = turns();
  const answer = await kv.range(everything, new TestingCall());
  assert.deepEqual(
    Buffer.from(encodeRangeResponse(answer)),
    Buffer.from(atOnce(member, everything, answer.header)),
  );
  assert.ok(turns() - before >= 9, `${turns() - before} turns`);
});

test('large ranges go on beside each other, and one whose caller has gone ends', async () => {
  const { member, kv } = await setUp(2000, 10);
  const calls = Array.from({ length: 10 }, () => new TestingCall());
  const answers = calls.map((call) => kv.range(everything, call));
  for (const call of calls.slice(0, 5)) call.abort(failure('cancelled'));
  const ended = await Promise.allSettled(answers);
  assert.deepEqual(
    ended.map(({ status }) => status),
    calls.map((_, at) => (at < 5 ? 'rejected' : 'fulfilled')),
  );
  await member.propose({ type: 'compact', revision: member.keyspace.revision });
  assert.ok(isTidy(member));
});
