import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeRuntime } from '../runtime/index.ts';
import { healthService } from './health.ts';
import { TestingCall, TestingMember, testingServices } from './testing.ts';

const serving = { status: 1 };
const notServing = { status: 2 };

function open() {
  const member = new TestingMember(nodeRuntime());
  return { member, health: healthService(testingServices(member, nodeRuntime())), call: new TestingCall() };
}

test('a member that knows a leader is serving, all its services alike; others it does not know', async () => {
  const { health, call } = open();
  for (const service of ['', 'etcdserverpb.KV', 'conclave.v1.Conclave']) {
    assert.deepEqual(await health.check({ service }, call), serving);
  }
  await assert.rejects(health.check({ service: 'no.Such' }, call), { code: 5, message: 'unknown service' });
});

test('who watches hears that the member is about to stop, before it does', async () => {
  const { member, health, call } = open();
  const before = member.listenerCount;
  const statuses = health.watch({ service: '' }, call)[Symbol.asyncIterator]();
  assert.deepEqual((await statuses.next()).value, serving);
  const next = statuses.next();
  await member.prepareToStop();
  assert.deepEqual((await next).value, notServing);
  call.disconnect('peer');
  await assert.rejects(statuses.next());
  assert.equal(member.listenerCount, before);
});
