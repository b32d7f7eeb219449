import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { StatusRequest, services, type WatchRequest } from '../wire/index.ts';
import { Api } from './api.ts';
import { TestingCall, TestingMember, TestingRequests } from './testing.ts';

const noLeader = { message: 'etcdserver: no leader', code: 14 };

function setUp() {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  const { registry } = new Api(member, { runtime });
  const call = new TestingCall();
  call.requiresLeader = true;
  const status = registry.get(services.Maintenance.status.path);
  const watch = registry.get(services.Watch.watch.path);
  assert.ok(status?.shape === 'unary' && watch?.shape === 'duplex');
  const ask = () => status.handler(StatusRequest.create(), call);
  const open = () => {
    const requests = new TestingRequests<WatchRequest>();
    requests.send({ requestUnion: { $case: 'progressRequest', value: {} } });
    return answers(requests)[Symbol.asyncIterator]();
  };
  const answers = (requests: AsyncIterable<unknown>) => watch.handler(requests, call);
  return { runtime, member, call, ask, open, answers };
}

test('a call that requires a leader fails where none is known, and others are answered', async () => {
  const { member, call, ask, open } = setUp();
  await ask();
  member.led = false;
  await assert.rejects(async () => ask(), noLeader);
  await assert.rejects(async () => open().next(), noLeader);
  call.requiresLeader = false;
  await ask();
  assert.equal((await open().next()).done, false);
});

test('a stream that requires a leader ends when it was missing for three election timeouts', async () => {
  const { runtime, member, open } = setUp();
  const stream = open();
  await stream.next();
  const next = stream.next();
  member.led = false;
  await runtime.advance(1100);
  member.led = true;
  await runtime.advance(5000);
  member.led = false;
  const ended = assert.rejects(next, noLeader);
  await runtime.advance(1300);
  await ended;
});

test('what a stream that requires a leader has ready is taken without waiting, until it ends', async () => {
  const { runtime, member, answers } = setUp();
  const requests = new TestingRequests<WatchRequest>();
  const progress = (): void => requests.send({ requestUnion: { $case: 'progressRequest', value: {} } });
  const stream = answers(requests);
  assert.equal(stream.takeReady?.(), undefined);
  progress();
  progress();
  const iterated = stream[Symbol.asyncIterator]();
  await iterated.next();
  await new Promise(setImmediate);
  assert.notEqual(stream.takeReady?.(), undefined);
  assert.equal(stream.takeReady?.(), undefined);
  progress();
  await new Promise(setImmediate);
  member.led = false;
  await runtime.advance(1300);
  assert.equal(stream.takeReady?.(), undefined);
  await assert.rejects(iterated.next(), noLeader);
});

test('a stream that does not require a leader goes on without one', async () => {
  const { runtime, member, call, open } = setUp();
  call.requiresLeader = false;
  const stream = open();
  await stream.next();
  let over = false;
  stream.next().finally(() => {
    over = true;
  });
  member.led = false;
  await runtime.advance(60_000);
  assert.equal(over, false);
});
