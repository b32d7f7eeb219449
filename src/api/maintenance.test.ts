import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { DowngradeRequest, PutRequest } from '../wire/index.ts';
import { kvService } from './kv.ts';
import { maintenanceService } from './maintenance.ts';
import { failure, StatusError } from './status.ts';
import { TestingCall, TestingMember, testingServices } from './testing.ts';

function open() {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  const service = maintenanceService(testingServices(member, runtime));
  const put = (key: string) =>
    member.propose({
      type: 'put',
      request: PutRequest.create({ key: new TextEncoder().encode(key), value: new Uint8Array(1) }),
    });
  return { member, service, call: new TestingCall(), put };
}

async function failed(promise: Promise<unknown>): Promise<[number, string]> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof StatusError, String(error));
  return [error.code, error.message];
}

test('HashKV gives one hash for one revision, whatever came after, and refuses what it cannot know', async () => {
  const { member, service, call, put } = open();
  await put('a');
  const now = await service.hashKV({ revision: 0 }, call);
  await put('b');
  assert.equal((await service.hashKV({ revision: 2 }, call)).hash, now.hash);
  assert.notEqual((await service.hashKV({ revision: 3 }, call)).hash, now.hash);
  const future = [11, 'etcdserver: mvcc: required revision is a future revision'];
  assert.deepEqual(await failed(service.hashKV({ revision: 4 }, call)), future);
  await member.propose({ type: 'compact', revision: 3 });
  const { compactRevision, hashRevision } = await service.hashKV({ revision: 0 }, call);
  assert.deepEqual({ compactRevision, hashRevision }, { compactRevision: 3, hashRevision: 3 });
  const compacted = [11, 'etcdserver: mvcc: required revision has been compacted'];
  assert.deepEqual(await failed(service.hashKV({ revision: 2 }, call)), compacted);
});

test('a snapshot comes in pieces that tell what remains, and is closed by a caller that goes', async () => {
  const { member, service, call } = open();
  const remaining: number[] = [];
  for await (const piece of service.snapshot({}, call)) remaining.push(piece.remainingBytes);
  assert.deepEqual(remaining, [1, 0]);
  assert.equal(member.upkeep.openBackups, 0);
  await assert.rejects(async () => {
    for await (const _ of service.snapshot({}, call)) call.abort(failure('cancelled'));
  }, StatusError);
  assert.equal(member.upkeep.openBackups, 0);
});

test('a downgrade is not offered, and one that is cancelled never was', async () => {
  const { service, call } = open();
  const downgrade = (action: 0 | 1 | 2, version: string) =>
    failed(service.downgrade(DowngradeRequest.create({ action, version }), call));
  assert.deepEqual(await downgrade(2, ''), [9, 'etcdserver: no inflight downgrade job']);
  assert.deepEqual(await downgrade(0, 'next'), [3, 'etcdserver: wrong downgrade target version format']);
  for (const action of [0, 1] as const) {
    const [code, text] = await downgrade(action, '3.4.0');
    assert.equal(code, 12);
    assert.match(text, /a downgrade .* is not offered by this server/);
  }
});

test('a compaction is answered when it is physically done where that was asked for, and only there', async () => {
  const { member, call, put } = open();
  const { compact } = kvService(testingServices(member, manualRuntime()));
  for (const key of ['a', 'b', 'c']) await put(key);
  await compact({ revision: 2, physical: false }, call);
  assert.equal(member.upkeep.finishedCompactions, 0);
  await compact({ revision: 3, physical: true }, call);
  assert.equal(member.upkeep.finishedCompactions, 1);
});
