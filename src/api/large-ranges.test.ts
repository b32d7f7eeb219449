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

test('ranges that overlap without end keep nothing from being dropped but what they read', async () => {
  const { member, kv, put } = await setUp(1200, 1);
  let over = false;
  const list = async (): Promise<void> => {
    while (!over) await kv.range(everything, new TestingCall());
  };
  const lists = [list(), list(), list()];
  const sizes: number[] = [];
  for (let round = 0; round < 5; round++) {
    for (let at = 0; at < 300; at++) {
      await put('other', new Uint8Array(1000));
      if (at % 3 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await member.propose({ type: 'compact', revision: member.keyspace.revision });
    sizes.push(member.keyspace.sizeBytes);
  }
  over = true;
  await Promise.all(lists);
  assert.ok((sizes.at(-1) ?? 0) < 2 * (sizes[0] ?? 0), `${sizes}`);
});

test('one of middle size does not stand behind the long ones, and one that waits reads what is there at last', async () => {
  const { member, kv, put } = await setUp(10_100, 1);
  const ended: string[] = [];
  const call = async (name: string, request = everything) => {
    const answer = await kv.range(request, new TestingCall());
    ended.push(name);
    return answer;
  };
  const long = Array.from({ length: 4 }, () => call('long'));
  await Promise.resolve();
  const waits = call('waits');
  const page = call('page', { ...everything, limit: 600 });
  await put('k', bytes('new'));
  const { header, kvs } = await waits;
  await Promise.all([...long, page]);
  assert.equal(ended[0], 'page');
  assert.deepEqual([header?.revision, kvs.length], [member.keyspace.revision, 10_101]);
});

test('who waits for a place and gives up is told at once, and holds none', async () => {
  const { kv, turns } = await setUp(10_100, 1);
  const calls = Array.from({ length: 9 }, () => new TestingCall());
  const answers = calls.map((call) => kv.range(everything, call));
  for (const answer of answers) answer.catch(() => {});
  for (let tick = 0; tick < 100; tick++) await Promise.resolve();
  const before = turns();
  for (const call of calls.slice(4, 8)) call.abort(failure('cancelled'));
  for (const answer of answers.slice(4, 8)) await assert.rejects(answer);
  assert.equal(turns(), before);
  const ended = await Promise.allSettled([...answers.slice(0, 4), answers[8]]);
  assert.deepEqual(new Set(ended.map(({ status }) => status)), new Set(['fulfilled']));
});
