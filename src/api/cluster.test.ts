import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MembershipFailure } from '../member/types.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { services } from '../wire/index.ts';
import { clusterService } from './cluster.ts';
import { maintenanceService } from './maintenance.ts';
import { createRegistry } from './registry.ts';
import { StatusError } from './status.ts';
import { TestingCall, TestingMember, testingServices } from './testing.ts';

function open() {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  const api = testingServices(member, runtime);
  return { member, api, cluster: clusterService(api), call: new TestingCall() };
}

async function failed(promise: Promise<unknown>): Promise<[number, string]> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof StatusError, String(error));
  return [error.code, error.message];
}

const two = [
  { memberId: 2, name: 'm2', isLearner: false, peerUrls: ['http://b:1'], clientUrls: ['http://b:2'] },
  { memberId: 7, name: '', isLearner: true, peerUrls: ['http://c:1'], clientUrls: [] },
];

test('an addition answers with the new member, which has no name yet, and with all', async () => {
  const { member, cluster, call } = open();
  member.membershipOutcome = { ok: true, memberId: 7, members: two };
  const answer = await cluster.memberAdd({ peerURLs: ['http://c:1'], isLearner: true }, call);
  const added = { ID: 7n, name: '', peerURLs: ['http://c:1'], clientURLs: [], isLearner: true };
  assert.deepEqual(answer.member, added);
  assert.equal(answer.members.length, 2);
  assert.equal(answer.header?.revision, 0);
  assert.deepEqual(member.changes, [{ type: 'add', peerUrls: ['http://c:1'], isLearner: true }]);
});

test("what is refused is refused with etcd's codes and texts", async () => {
  const { member, cluster, call } = open();
  const texts: Record<MembershipFailure, [number, string]> = {
    'not-found': [5, 'etcdserver: member not found'],
    'peer-urls-exist': [9, 'etcdserver: Peer URLs already exists'],
    'not-enough-started': [2, 'etcdserver: re-configuration failed due to not enough started members'],
    unhealthy: [14, 'etcdserver: unhealthy cluster'],
    'too-many-learners': [9, 'etcdserver: too many learner members in cluster'],
    'not-learner': [9, 'etcdserver: can only promote a learner member'],
    'learner-not-ready': [9, 'etcdserver: can only promote a learner member which is in sync with leader'],
  };
  for (const [reason, expected] of Object.entries(texts)) {
    member.membershipOutcome = { ok: false, failure: reason as MembershipFailure };
    assert.deepEqual(await failed(cluster.memberPromote({ ID: 7n }, call)), expected);
  }
  assert.deepEqual(await failed(cluster.memberRemove({ ID: 2n ** 63n }, call)), texts['not-found']);
});

test('a leader is moved by the leader alone, and to a voter', async () => {
  const { member, api, call } = open();
  const service = maintenanceService(api);
  const move = (targetID: bigint) => service.moveLeader({ targetID }, call);
  assert.ok((await move(2n)).header);
  member.transferOutcome = 'not-leader';
  assert.deepEqual(await failed(move(2n)), [9, 'etcdserver: not leader']);
  member.transferOutcome = 'bad-target';
  assert.deepEqual(await failed(move(2n)), [9, 'etcdserver: bad leader transferee']);
  member.transferOutcome = 'failed';
  const late = [14, 'etcdserver: request timed out, leader transfer took too long'];
  assert.deepEqual(await failed(move(2n)), late);
});

test('a learner serves its status and reads that may be old, and nothing else', async () => {
  const { member, api, call } = open();
  member.isLearner = true;
  const registry = createRegistry(api);
  const refusal = [14, 'etcdserver: rpc not supported for learner'];
  const unary = (method: { readonly path: string }, request: unknown) => {
    const served = registry.get(method.path);
    assert.equal(served?.shape, 'unary');
    return Promise.resolve(served.handler(request, call));
  };
  const range = (serializable: boolean) =>
    unary(
      services.KV.range,
      services.KV.range.decodeRequest(Buffer.from(serializable ? '0a01613801' : '0a0161', 'hex')),
    );
  assert.ok(await range(true));
  assert.deepEqual(await failed(range(false)), refusal);
  assert.equal(((await unary(services.Maintenance.status, {})) as { isLearner: boolean }).isLearner, true);
  assert.deepEqual(await failed(unary(services.Cluster.memberList, { linearizable: false })), refusal);
  const watch = registry.get(services.Watch.watch.path);
  assert.equal(watch?.shape, 'duplex');
  const events = watch.handler((async function* () {})(), call)[Symbol.asyncIterator]();
  assert.deepEqual(await failed(events.next()), refusal);
});
