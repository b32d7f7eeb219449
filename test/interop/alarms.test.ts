// A full quota and the alarm that it raises, on etcd and on our server: what is refused then, in which words, and what
// it takes to write again.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  AlarmRequest,
  CompactionRequest,
  DefragmentRequest,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseLeasesRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  StatusRequest,
  services,
  TxnRequest,
} from '../../src/wire/index.ts';
import { peer } from '../peers.ts';
import { Conversation, type Step } from './conversation.ts';
import { startConclave, startEtcd, type TestServer } from './servers.ts';

const etcd = peer('etcd');
const { KV, Lease, Maintenance } = services;
const bytes = (text: string): Uint8Array => Buffer.from(text);
const mebibyte = 1024 * 1024;
const quotaBytes = 16 * mebibyte;

async function aFullQuota(talk: Conversation): Promise<void> {
  const put = (key: string, size: number) =>
    PutRequest.create({ key: bytes(key), value: new Uint8Array(size) });
  const alarm = (name: string, request: Partial<AlarmRequest>) =>
    talk.call(name, Maintenance.alarm, AlarmRequest.create(request), ({ alarms }) =>
      alarms.map((one) => one.alarm),
    );
  const errors = (name: string) =>
    talk.call(name, Maintenance.status, StatusRequest.create(), (status) =>
      status.errors.map((text) => text.replace(/\d+/, 'N')),
    );
  const txn = (name: string, ...operations: NonNullable<RequestOp['request']>[]) => {
    const success = operations.map((request) => RequestOp.create({ request }));
    return talk.call(name, KV.txn, TxnRequest.create({ success }), (response) => response.succeeded);
  };
  await talk.call('grant', Lease.leaseGrant, LeaseGrantRequest.create({ ID: 7n, TTL: 600 }));
  await alarm('no alarm yet', {});
  let refused: string | undefined;
  for (let at = 0; refused === undefined; at++) {
    assert.ok(at < 100, 'the quota is never full');
    const answer = await talk.caller.unary(KV.put, put(`big/${at}`, mebibyte));
    if (!('response' in answer)) refused = `${answer.code} ${answer.message}`;
  }
  talk.steps.push({ name: 'the put that is too much', answer: refused });
  const keep = () => 'answered';
  await alarm('the alarm', {});
  await alarm('alarms of that kind', { alarm: 1 });
  await alarm('alarms of the other kind', { alarm: 2 });
  await errors('errors in the status');
  await talk.call('a little put', KV.put, put('little', 1), keep);
  await txn('a transaction that puts', { $case: 'requestPut', value: put('little', 1) });
  const range = RangeRequest.create({ key: bytes('little') });
  const remove = DeleteRangeRequest.create({ key: bytes('little') });
  await txn(
    'one that reads and deletes',
    { $case: 'requestRange', value: range },
    {
      $case: 'requestDeleteRange',
      value: remove,
    },
  );
  await talk.call('grant', Lease.leaseGrant, LeaseGrantRequest.create({ ID: 8n, TTL: 600 }), keep);
  await talk.call('leases', Lease.leaseLeases, LeaseLeasesRequest.create(), ({ leases }) => leases);
  await talk.call('revoke', Lease.leaseRevoke, { ID: 7n }, keep);
  await talk.call('a read', KV.range, range, ({ kvs }) => kvs);
  const all = DeleteRangeRequest.create({ key: bytes('big'), rangeEnd: bytes('c') });
  await talk.call('a deletion', KV.deleteRange, all, keep);
  const { revision } = await status(talk);
  await talk.call('compaction', KV.compact, CompactionRequest.create({ revision, physical: true }), keep);
  await talk.call('defragment', Maintenance.defragment, DefragmentRequest.create(), keep);
  await talk.call('a little put, with room', KV.put, put('little', 1), keep);
  const { member } = await status(talk);
  await alarm('disarm for another member', { action: 2, memberID: member + 1n, alarm: 1 });
  await alarm('disarm the other alarm', { action: 2, memberID: member, alarm: 2 });
  await alarm('disarm', { action: 2, memberID: member, alarm: 1 });
  await alarm('disarm again', { action: 2, memberID: member, alarm: 1 });
  await alarm('no alarm', {});
  await errors('no errors in the status');
  await talk.call('a little put', KV.put, put('little', 1), keep);
}

async function alarmsByHand(talk: Conversation): Promise<void> {
  const alarm = (name: string, request: Partial<AlarmRequest>) =>
    // Without its header, which etcd fills since 3.5.
    talk.call(name, Maintenance.alarm, AlarmRequest.create(request), ({ alarms }) => alarms);
  const errors = (name: string) =>
    talk.call(name, Maintenance.status, StatusRequest.create(), (answer) => answer.errors);
  const put = (name: string) => talk.call(name, KV.put, PutRequest.create({ key: bytes('k') }));
  await alarm('disarm nothing', { action: 2, memberID: 5n, alarm: 1 });
  await alarm('raise', { action: 1, memberID: 5n, alarm: 1 });
  await alarm('raise again', { action: 1, memberID: 5n, alarm: 1 });
  await errors('errors of one alarm');
  await put('put');
  await alarm('disarm', { action: 2, memberID: 5n, alarm: 1 });
  await put('put');
  await alarm('corrupt', { action: 1, memberID: 2n ** 64n - 1n, alarm: 2 });
  await errors('errors of the other alarm');
  await put('put to a corrupt cluster');
  await talk.call('delete from it', KV.deleteRange, DeleteRangeRequest.create({ key: bytes('k') }));
  await talk.call('compact it', KV.compact, CompactionRequest.create({ revision: 2 }));
  await talk.call('grant in it', Lease.leaseGrant, LeaseGrantRequest.create({ ID: 9n, TTL: 600 }));
  await talk.call('revoke in it', Lease.leaseRevoke, { ID: 9n });
  await talk.call('read it', KV.range, RangeRequest.create({ key: bytes('k') }));
  await talk.call('an empty transaction', KV.txn, TxnRequest.create({}));
  await alarm('disarm', { action: 2, memberID: 2n ** 64n - 1n, alarm: 2 });
  await put('put to a sound cluster');
  await alarm('disarm none', { action: 2, memberID: 5n, alarm: 0 });
  await alarm('raise for nobody', { action: 1, memberID: 0n, alarm: 1 });
  await errors('errors of nobody');
}

async function status(talk: Conversation): Promise<{ revision: number; member: bigint }> {
  const answer = await talk.caller.unary(Maintenance.status, StatusRequest.create());
  assert.ok('response' in answer && answer.response.header !== undefined);
  const { revision, memberId } = answer.response.header;
  return { revision, member: memberId };
}

describe('alarms are etcd\u2019s', { skip: etcd.missing ?? false, concurrency: false }, () => {
  for (const [name, subject, options] of [
    ['a full quota', aFullQuota, { quotaBytes }],
    ['alarms by hand', alarmsByHand, {}],
  ] as const) {
    test(name, { timeout: 240_000 }, async () => {
      const record = async (start: Promise<TestServer>): Promise<readonly Step[]> => {
        await using server = await start;
        using talk = new Conversation(server.endpoint);
        await subject(talk);
        return talk.steps;
      };
      const expected = await record(startEtcd(etcd.path ?? '', { ...options, quick: true }));
      const answered = await record(startConclave({ ...options, quick: true }));
      for (const [at, step] of expected.entries()) assert.deepEqual(answered[at], step);
      assert.equal(answered.length, expected.length);
    });
  }
});
