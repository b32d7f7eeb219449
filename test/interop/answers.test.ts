// The same requests to etcd and to our server, on the wire: answers, codes and texts are compared field by field.
// What differs on purpose is not asked here: versions, sizes, and TTLs below etcd's smallest.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  CampaignRequest,
  CompactionRequest,
  Compare,
  DeleteRangeRequest,
  type KeyValue,
  LeaderRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LockRequest,
  MemberListRequest,
  ProclaimRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  ResignRequest,
  services,
  TxnRequest,
  UnlockRequest,
} from '../../src/wire/index.ts';
import { peer } from '../peers.ts';
import { Conversation, type Step } from './conversation.ts';
import { startConclave, startEtcd, type TestServer } from './servers.ts';

const etcd = peer('etcd');
const { KV, Lease, Election, Lock, Cluster } = services;
const bytes = (text: string): Uint8Array => Buffer.from(text);

type Operation = NonNullable<RequestOp['request']>;
const operations = (...all: Operation[]): RequestOp[] => all.map((request) => RequestOp.create({ request }));
const putOf = (request: Partial<PutRequest>): Operation => ({
  $case: 'requestPut',
  value: PutRequest.create(request),
});
const rangeOf = (request: Partial<RangeRequest>): Operation => ({
  $case: 'requestRange',
  value: RangeRequest.create(request),
});
const deleteOf = (request: Partial<DeleteRangeRequest>): Operation => ({
  $case: 'requestDeleteRange',
  value: DeleteRangeRequest.create(request),
});
const txnOf = (request: Partial<TxnRequest>): Operation => ({
  $case: 'requestTxn',
  value: TxnRequest.create(request),
});

async function keysAndValues(talk: Conversation): Promise<void> {
  const put = (name: string, request: Partial<PutRequest>) =>
    talk.call(name, KV.put, PutRequest.create(request));
  const range = (name: string, request: Partial<RangeRequest>) =>
    talk.call(name, KV.range, RangeRequest.create(request));
  const remove = (name: string, request: Partial<DeleteRangeRequest>) =>
    talk.call(name, KV.deleteRange, DeleteRangeRequest.create(request));
  const all = { key: bytes('a'), rangeEnd: bytes('b') };

  await put('put without a key', {});
  await put('value with ignore_value', { key: bytes('a'), value: bytes('x'), ignoreValue: true });
  await put('lease with ignore_lease', { key: bytes('a'), lease: 5n, ignoreLease: true });
  await put('ignore_value of no key', { key: bytes('a'), ignoreValue: true });
  await put('an unknown lease', { key: bytes('a'), lease: 5n });
  await put('first put', { key: bytes('a1'), value: bytes('3') });
  await put('second put', { key: bytes('a1'), value: bytes('4'), prevKv: true });
  await put('an empty value', { key: bytes('a2') });
  // Three times, so that no two keys have one version: how etcd orders equals is nobody's business.
  const notText = { key: new Uint8Array([0x61, 0xff, 0x00]), value: new Uint8Array([0, 255]) };
  for (let at = 0; at < 3; at++) await put('bytes that are no text', notText);
  await put('put of 1.6 MiB', { key: bytes('a'), value: new Uint8Array(1.6 * 1024 * 1024) });
  await put('put of 3 MB', { key: bytes('a'), value: new Uint8Array(3_000_000) });

  await range('range without a key', {});
  await range('one key', { key: bytes('a1') });
  await range('a range', all);
  await range('all keys', { key: new Uint8Array(1), rangeEnd: new Uint8Array(1) });
  await range('from a key', { key: bytes('a2'), rangeEnd: new Uint8Array(1) });
  await range('an end below the key', { key: bytes('b'), rangeEnd: bytes('a') });
  await range('limit', { ...all, limit: 1 });
  await range('negative limit and revision', { ...all, limit: -1, revision: -1 });
  await range('count only', { ...all, countOnly: true, limit: 1 });
  await range('keys only', { ...all, keysOnly: true });
  await range('a serializable read', { ...all, serializable: true });
  await range('an older revision', { ...all, revision: 2 });
  await range('a future revision', { ...all, revision: 10_000 });
  for (const sortTarget of [0, 1, 2, 3, 4] as const) {
    for (const sortOrder of [0, 1, 2] as const) {
      await range(`target ${sortTarget} in order ${sortOrder}`, { ...all, sortTarget, sortOrder, limit: 2 });
    }
  }
  await range('an unknown order', { ...all, sortOrder: 9 as 0 });
  await range('min_mod_revision', { ...all, minModRevision: 4 });
  await range('max_mod_revision', { ...all, maxModRevision: 3 });
  await range('min_create_revision', { ...all, minCreateRevision: 4 });
  await range('max_create_revision and limit', { ...all, maxCreateRevision: 4, limit: 1 });

  await remove('delete without a key', {});
  await remove('delete of nothing', { key: bytes('zz') });
  await remove('delete with previous', { key: bytes('a1'), prevKv: true });
  await remove('delete of a range', { ...all, prevKv: true });
  await remove('delete of all', { key: new Uint8Array(1), rangeEnd: new Uint8Array(1) });
}

async function transactions(talk: Conversation): Promise<void> {
  const txn = (name: string, request: Partial<TxnRequest>) =>
    talk.call(name, KV.txn, TxnRequest.create(request));
  const key = bytes('t');
  await txn('nothing at all', {});
  await txn('a compare without a key', { compare: [Compare.create({})] });
  await txn('an operation without a request', { success: [RequestOp.create({})] });
  await txn('a put without a key', { success: operations(putOf({})) });
  await txn('put twice', { success: operations(putOf({ key }), putOf({ key })) });
  await txn('put and delete', {
    success: operations(putOf({ key }), deleteOf({ key: bytes('s'), rangeEnd: bytes('u') })),
  });
  await txn('put in both branches', {
    success: operations(putOf({ key })),
    failure: operations(putOf({ key })),
  });
  await txn('delete twice', { success: operations(deleteOf({ key }), deleteOf({ key })) });
  const many = Array.from({ length: 129 }, (_, at) => putOf({ key: bytes(`t${at}`) }));
  await txn('128 operations', { success: operations(...many.slice(1)) });
  await txn('129 operations', { success: operations(...many) });
  await txn('129 operations, nested', {
    success: operations(txnOf({ success: operations(...many.slice(1)) })),
  });
  await txn('reads and writes, nested', {
    success: operations(
      rangeOf({ key }),
      deleteOf({ key: bytes('nothing') }),
      putOf({ key, value: bytes('1'), prevKv: true }),
      rangeOf({ key }),
      deleteOf({ key: bytes('nothing') }),
      txnOf({ success: operations(putOf({ key: bytes('u') }), rangeOf({ key: bytes('u') })) }),
    ),
  });
  await txn('only reads, nested', { success: operations(txnOf({ success: operations(rangeOf({ key })) })) });
  await txn('a read in the future', {
    success: operations(putOf({ key }), rangeOf({ key, revision: 10_000 })),
  });
  await txn('a read at a negative revision', { success: operations(rangeOf({ key, revision: -2 })) });
  await txn('an unknown lease', { success: operations(putOf({ key, lease: 5n })) });
  for (const result of [0, 1, 2, 3, 9 as 0] as const) {
    const compares: Partial<Compare>[] = [
      { target: 0, targetUnion: { $case: 'version', value: 1 } },
      { target: 1, targetUnion: { $case: 'createRevision', value: 0 } },
      { target: 2, targetUnion: { $case: 'modRevision', value: 3 } },
      { target: 3, targetUnion: { $case: 'value', value: bytes('1') } },
      { target: 4, targetUnion: { $case: 'lease', value: 0n } },
      { target: 0, targetUnion: undefined },
      { target: 9 as 0, targetUnion: { $case: 'version', value: 1 } },
      { target: 0, targetUnion: { $case: 'version', value: 1 }, rangeEnd: bytes('v') },
    ];
    for (const [at, compare] of compares.entries()) {
      for (const compared of [key, bytes('absent')]) {
        const one = Compare.create({ key: compared, result, ...compare });
        await txn(`compare ${at} of ${Buffer.from(compared)} with result ${result}`, { compare: [one] });
      }
    }
  }
}

async function compactions(talk: Conversation): Promise<void> {
  const compact = (name: string, revision: number) =>
    talk.call(name, KV.compact, CompactionRequest.create({ revision }));
  const put = (value: string) =>
    talk.call('put', KV.put, PutRequest.create({ key: bytes('c'), value: bytes(value) }));
  const range = (name: string, revision: number) =>
    talk.call(name, KV.range, RangeRequest.create({ key: bytes('c'), revision }));
  for (const value of ['1', '2', '3', '4']) await put(value);
  await compact('of the future', 10_000);
  await compact('of revision 3', 3);
  await compact('again', 3);
  await compact('of an older one', 2);
  await compact('of revision 0', 0);
  await range('below', 2);
  await range('at', 3);
  await range('above', 4);
  const watch = talk.watch();
  watch.create({ key: bytes('c'), startRevision: 2 });
  await watch.next('watch from below', 2);
  watch.cancel(0);
  await watch.next('its id was still taken');
  watch.create({ key: bytes('c'), startRevision: -7 });
  await watch.next('watch from a negative revision', 2);
  watch.create({ key: bytes('c'), startRevision: 3 });
  await watch.next('watch from it', 2);
}

async function leases(talk: Conversation): Promise<void> {
  const grant = (name: string, request: Partial<LeaseGrantRequest>) =>
    talk.call(name, Lease.leaseGrant, LeaseGrantRequest.create(request));
  const ttl = (name: string, ID: bigint, keys: boolean) =>
    talk.call(name, Lease.leaseTimeToLive, LeaseTimeToLiveRequest.create({ ID, keys }), (response) => ({
      ...response,
      // A second may pass between the two servers.
      TTL: response.TTL > 500 ? 'more than 500' : response.TTL,
      keys: response.keys.map((key) => Buffer.from(key).toString()).sort(),
    }));
  const revoke = (name: string, ID: bigint) =>
    talk.call(name, Lease.leaseRevoke, LeaseRevokeRequest.create({ ID }));
  await grant('a chosen id', { ID: 77n, TTL: 600 });
  await grant('the same id', { ID: 77n, TTL: 600 });
  await grant('a negative id', { ID: -77n, TTL: 700 });
  await grant('the longest', { ID: 78n, TTL: 9_000_000_000 });
  await grant('too long', { ID: 79n, TTL: 9_000_000_001 });
  await talk.call(
    'an id chosen by the server',
    Lease.leaseGrant,
    LeaseGrantRequest.create({ TTL: 650 }),
    (response) => ({
      positive: response.ID > 0n,
      TTL: response.TTL,
      error: response.error,
    }),
  );
  for (const key of ['l2', 'l1']) {
    await talk.call('put', KV.put, PutRequest.create({ key: bytes(key), lease: 77n }));
  }
  await ttl('time to live', 77n, false);
  await ttl('time to live with keys', 77n, true);
  await ttl('time to live of an unknown lease', 4242n, true);
  await talk.call('leases', Lease.leaseLeases, {}, ({ leases: list }) =>
    list.map(({ ID }) => (ID > 100n ? 'chosen by the server' : ID)),
  );
  const alive = talk.own(talk.caller.duplex(Lease.leaseKeepAlive));
  for (const ID of [77n, 4242n, -77n]) alive.send({ ID });
  await talk.next('keep-alive', alive);
  await talk.next('keep-alive of an unknown lease', alive);
  await talk.next('keep-alive of a negative id', alive);
  alive.end();
  await talk.next('the end of keep-alives', alive);
  await revoke('revoke', 77n);
  await revoke('revoke again', 77n);
  const all = RangeRequest.create({ key: new Uint8Array(1), rangeEnd: new Uint8Array(1) });
  await talk.call('its keys are gone', KV.range, all);
}

async function watches(talk: Conversation): Promise<void> {
  const put = (key: string, value: string) =>
    talk.call(`put ${key}`, KV.put, PutRequest.create({ key: bytes(key), value: bytes(value) }));
  const watch = talk.watch();
  watch.progress();
  await watch.next('progress without a watch');
  watch.create({ key: bytes('w') });
  await watch.next('create');
  watch.create({ key: bytes('w'), watchId: 20, prevKv: true });
  await watch.next('a chosen id');
  watch.create({ key: bytes('w'), watchId: 20 });
  await watch.next('the same id');
  watch.create({ key: bytes('w'), rangeEnd: bytes('a') });
  await watch.next('an empty range');
  watch.create({ key: bytes('w'), startRevision: 1000 });
  await watch.next('from the future');
  watch.cancel(1);
  await watch.next('cancel');
  watch.cancel(20);
  await watch.next('cancel');
  watch.cancel(4242);
  watch.progress();
  await watch.next('cancel of an unknown id has no answer, progress has');
  await put('w', '1');
  await watch.next('an event');
  await put('w', '2');
  await watch.next('another');
  watch.cancel(0);
  await watch.next('cancel');

  watch.create({ key: bytes('x'), rangeEnd: bytes('y'), prevKv: true });
  await watch.next('create with previous values');
  await talk.call(
    'txn',
    KV.txn,
    TxnRequest.create({ success: operations(putOf({ key: bytes('x1') }), putOf({ key: bytes('x2') })) }),
  );
  await watch.next('both events of a transaction');
  await talk.call(
    'delete',
    KV.deleteRange,
    DeleteRangeRequest.create({ key: bytes('x'), rangeEnd: bytes('y') }),
  );
  await watch.next('both deletions');
  watch.create({ key: bytes('x'), rangeEnd: bytes('y'), filters: [0], startRevision: 2 });
  await watch.next('deletions only', 2);
  watch.create({ key: bytes('x1'), filters: [1], startRevision: 2 });
  await watch.next('puts only', 2);
  watch.create({ rangeEnd: new Uint8Array(1), startRevision: 2 });
  await watch.next('every key, from the beginning', 2);
}

async function elections(talk: Conversation): Promise<void> {
  const campaign = (name: string, request: Partial<CampaignRequest>) =>
    talk.call(name, Election.campaign, CampaignRequest.create(request));
  const leader = (name: string) =>
    talk.call(name, Election.leader, LeaderRequest.create({ name: bytes('e') }));
  const key = { name: bytes('e'), key: bytes('e/4d'), rev: 2, lease: 77n };
  const stale = { ...key, rev: 1 };
  await leader('no leader');
  await talk.call('proclaim without a leader', Election.proclaim, ProclaimRequest.create({}));
  await talk.call('resign without a leader', Election.resign, ResignRequest.create({}));
  await talk.call('proclaim of nobody', Election.proclaim, ProclaimRequest.create({ leader: stale }));
  await talk.call('resign of nobody', Election.resign, ResignRequest.create({ leader: stale }));
  await campaign('campaign with an unknown lease', { name: bytes('e'), lease: 5n });
  for (const ID of [77n, 80n]) {
    await talk.call('grant', Lease.leaseGrant, LeaseGrantRequest.create({ ID, TTL: 600 }));
  }
  await campaign('campaign', { name: bytes('e'), lease: 77n, value: bytes('one') });
  const observed = talk.own(
    talk.caller.serverStream(Election.observe, LeaderRequest.create({ name: bytes('e') })),
  );
  await talk.next('observe', observed);
  await campaign('campaign again', { name: bytes('e'), lease: 77n, value: bytes('one') });
  await campaign('campaign again with another value', { name: bytes('e'), lease: 77n, value: bytes('two') });
  await talk.next('observe', observed);
  await leader('leader');
  await talk.call(
    'proclaim',
    Election.proclaim,
    ProclaimRequest.create({ leader: key, value: bytes('three') }),
  );
  await talk.next('observe', observed);
  await talk.call('proclaim by a stale leader', Election.proclaim, ProclaimRequest.create({ leader: stale }));
  const second = talk.caller.unary(
    Election.campaign,
    CampaignRequest.create({ name: bytes('e'), lease: 80n, value: bytes('four') }),
  );
  await until(async () => (await keysUnder(talk, 'e/')).length === 2);
  await talk.call('resign', Election.resign, ResignRequest.create({ leader: key }));
  const won = await second;
  assert.equal(won.code, 0);
  await talk.next('observe', observed);
  await leader('the next leader');
}

async function locks(talk: Conversation): Promise<void> {
  const lock = (name: string, lease: bigint) =>
    talk.call(name, Lock.lock, LockRequest.create({ name: bytes('m'), lease }));
  await lock('lock with an unknown lease', 5n);
  await talk.call('unlock without a key', Lock.unlock, UnlockRequest.create({}));
  await talk.call('unlock of nothing', Lock.unlock, UnlockRequest.create({ key: bytes('m/1') }));
  for (const ID of [77n, 80n]) {
    await talk.call('grant', Lease.leaseGrant, LeaseGrantRequest.create({ ID, TTL: 600 }));
  }
  await lock('lock', 77n);
  await lock('lock again', 77n);
  const second = talk.caller.unary(Lock.lock, LockRequest.create({ name: bytes('m'), lease: 80n }));
  await until(async () => (await keysUnder(talk, 'm/')).length === 2);
  await talk.call('unlock', Lock.unlock, UnlockRequest.create({ key: bytes('m/4d') }));
  const locked = await second;
  assert.equal('response' in locked && Buffer.from(locked.response.key).toString(), 'm/50');
}

async function members(talk: Conversation): Promise<void> {
  await talk.call(
    'member list',
    Cluster.memberList,
    MemberListRequest.create({ linearizable: true }),
    (response) => ({
      revision: response.header?.revision,
      members: response.members.map(({ name, isLearner, peerURLs, clientURLs }) => ({
        ...{ name, isLearner },
        ...{ peers: peerURLs.length, clients: clientURLs.length },
      })),
    }),
  );
}

async function keysUnder(talk: Conversation, prefix: string): Promise<readonly KeyValue[]> {
  const rangeEnd = bytes(`${prefix.slice(0, -1)}0`);
  const answer = await talk.caller.unary(KV.range, RangeRequest.create({ key: bytes(prefix), rangeEnd }));
  assert.ok('response' in answer);
  return answer.response.kvs;
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  while (!(await reached()));
}

const subjects = { keysAndValues, transactions, compactions, leases, watches, elections, locks, members };

describe('answers on the wire are etcd’s', { skip: etcd.missing ?? false, concurrency: false }, () => {
  for (const [name, talk] of Object.entries(subjects)) {
    test(name, { timeout: 240_000 }, async () => {
      const expected = await record(() => startEtcd(etcd.path ?? ''), talk);
      const answered = await record(startConclave, talk);
      assert.ok(expected.length > 0);
      for (const [at, step] of expected.entries()) assert.deepEqual(answered[at], step);
      assert.equal(answered.length, expected.length);
    });
  }
});

async function record(
  start: () => Promise<TestServer>,
  subject: (talk: Conversation) => Promise<void>,
): Promise<readonly Step[]> {
  await using server = await start();
  using talk = new Conversation(server.endpoint);
  await subject(talk);
  return talk.steps;
}
