import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { type CampaignResponse, LeaderRequest, type LeaderResponse } from '../wire/index.ts';
import { electionService } from './election.ts';
import { lockService } from './lock.ts';
import { failure, StatusError } from './status.ts';
import { TestingCall, TestingMember, testingServices } from './testing.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const name = bytes('e');

async function open() {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  for (const lease of [1n, 2n, 3n]) await member.propose({ type: 'leaseGrant', lease, ttlMs: 60_000 });
  const api = testingServices(member, runtime);
  const { campaign, ...election } = electionService(api);
  const candidate = (lease: bigint, value: string) => {
    const call = new TestingCall();
    const won = campaign({ name, lease, value: bytes(value) }, call);
    won.catch(() => {});
    return { call, won };
  };
  const keys = (): string[] => {
    const range = { key: bytes('e/'), rangeEnd: bytes('e0'), limit: 0, revision: 0 } as const;
    const rest = { sortOrder: 'none', sortTarget: 'key', keysOnly: false, countOnly: false } as const;
    const bounds = { minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 };
    const result = member.keyspace.range({ ...range, ...rest, ...bounds });
    assert.ok('kvs' in result);
    return result.kvs.map(({ key }) => new TextDecoder().decode(key));
  };
  return { runtime, member, api, campaign, election, candidate, keys };
}

async function statusOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof StatusError);
    return `${error.code} ${error.message}`;
  }
  return 'ok';
}

test('candidates lead in the order in which they came', async () => {
  const { runtime, member, candidate } = await open();
  const first = await candidate(1n, 'one').won;
  assert.equal(first.leader?.rev, first.header?.revision);
  const order: string[] = [];
  const waiting = [2n, 3n].map((lease) => {
    const { won } = candidate(lease, `${lease}`);
    return won.then((answer: CampaignResponse) => order.push(`${answer.leader?.lease}`));
  });
  await runtime.advance(0);
  assert.deepEqual(order, []);
  await member.propose({ type: 'leaseRevoke', lease: 1n });
  await waiting[0];
  assert.deepEqual(order, ['2']);
  await member.propose({ type: 'leaseRevoke', lease: 2n });
  await waiting[1];
  assert.deepEqual(order, ['2', '3']);
});

test('a candidate whose predecessor in the middle goes does not lead', async () => {
  const { runtime, member, candidate } = await open();
  await candidate(1n, 'one').won;
  candidate(2n, 'two');
  await runtime.advance(0);
  const last = candidate(3n, 'three');
  await runtime.advance(0);
  await member.propose({ type: 'leaseRevoke', lease: 2n });
  await runtime.advance(0);
  let won = false;
  void last.won.then(() => {
    won = true;
  });
  await runtime.advance(0);
  assert.equal(won, false);
  await member.propose({ type: 'leaseRevoke', lease: 1n });
  await last.won;
});

test('a campaign that is cancelled ends, and its place in the queue goes', async () => {
  const { runtime, candidate, keys } = await open();
  await candidate(1n, 'one').won;
  const { call, won } = candidate(2n, 'two');
  await runtime.advance(0);
  assert.deepEqual(keys(), ['e/1', 'e/2']);
  call.abort(failure('cancelled'));
  assert.equal(await statusOf(won), '1 context canceled');
  await runtime.advance(0);
  assert.deepEqual(keys(), ['e/1']);
});

test('a campaign that ends because the server stops keeps its place', async () => {
  const { runtime, candidate, keys } = await open();
  await candidate(1n, 'one').won;
  const { call, won } = candidate(2n, 'two');
  await runtime.advance(0);
  call.abort(failure('stopped'));
  assert.equal(await statusOf(won), '14 etcdserver: server stopped');
  await runtime.advance(0);
  assert.deepEqual(keys(), ['e/1', 'e/2']);
});

test('a candidate whose lease ends while it waits is told at once, and never leads', async () => {
  const { runtime, member, candidate } = await open();
  await candidate(1n, 'one').won;
  const { won } = candidate(2n, 'two');
  await runtime.advance(0);
  await member.propose({ type: 'leaseRevoke', lease: 2n });
  assert.equal(await statusOf(won), '2 election: session expired');
});

test('waiting for a turn leaves no watcher behind', async () => {
  const { runtime, member, candidate } = await open();
  await candidate(1n, 'one').won;
  const { won } = candidate(2n, 'two');
  await runtime.advance(0);
  assert.equal(member.keyspace.watcherCount, 2);
  await member.propose({ type: 'leaseRevoke', lease: 1n });
  await won;
  assert.equal(member.keyspace.watcherCount, 0);
});

test('an observer sees each leader, and the last of quick changes', async () => {
  const { runtime, member, election, candidate } = await open();
  const call = new TestingCall();
  const observed = election.observe(LeaderRequest.create({ name }), call)[Symbol.asyncIterator]();
  const values = async (): Promise<string> => {
    const { value } = await observed.next();
    return new TextDecoder().decode((value as LeaderResponse).kv?.value);
  };
  const first = values();
  await runtime.advance(0);
  const { leader } = await candidate(1n, 'one').won;
  assert.equal(await first, 'one');
  for (const value of ['two', 'three'])
    await election.proclaim({ leader, value: bytes(value) }, new TestingCall());
  assert.equal(await values(), 'three');
  const { won } = candidate(2n, 'next');
  await runtime.advance(0);
  await member.propose({ type: 'leaseRevoke', lease: 1n });
  await won;
  assert.equal(await values(), 'next');
  const ended = observed.next();
  call.abort(failure('cancelled'));
  await assert.rejects(ended, /context canceled/);
  assert.equal(member.keyspace.watcherCount, 0);
});

test('an observer goes on when history is compacted under it', async () => {
  const { runtime, member, election, candidate } = await open();
  const { leader } = await candidate(1n, 'one').won;
  const observed = election
    .observe(LeaderRequest.create({ name }), new TestingCall())
    [Symbol.asyncIterator]();
  await observed.next();
  for (const value of ['two', 'three'])
    await election.proclaim({ leader, value: bytes(value) }, new TestingCall());
  await member.propose({ type: 'compact', revision: member.keyspace.revision });
  const { value } = await observed.next();
  assert.equal(new TextDecoder().decode((value as LeaderResponse).kv?.value), 'three');
  const next = observed.next();
  await runtime.advance(0);
  await election.proclaim({ leader, value: bytes('four') }, new TestingCall());
  assert.equal(new TextDecoder().decode(((await next).value as LeaderResponse).kv?.value), 'four');
});

test('a request without a lease gets one of a minute', async () => {
  const { member, candidate } = await open();
  const { leader } = await candidate(0n, 'x').won;
  assert.equal(member.keyspace.lease(leader?.lease ?? 0n, false)?.grantedTtlMs, 60_000);
});

test('a lock is given to the next waiter when its key goes, and not to one whose lease is gone', async () => {
  const { runtime, member, api } = await open();
  const { lock, unlock } = lockService(api);
  const held = await lock({ name, lease: 1n }, new TestingCall());
  const lost = lock({ name, lease: 2n }, new TestingCall());
  await runtime.advance(0);
  const next = lock({ name, lease: 3n }, new TestingCall());
  await runtime.advance(0);
  await member.propose({ type: 'leaseRevoke', lease: 2n });
  assert.equal(await statusOf(lost), '2 mutex: session is expired');
  await unlock({ key: held.key }, new TestingCall());
  assert.equal(new TextDecoder().decode((await next).key), 'e/3');
});
