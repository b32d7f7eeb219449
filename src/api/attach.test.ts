import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { AttachRequest, type AttachResponse } from '../wire/index.ts';
import { AttachStream } from './attach.ts';
import { failure } from './status.ts';
import { TestingCall, TestingMember, TestingRequests, testingServices } from './testing.ts';

const lease = 77n;

async function open() {
  const runtime = manualRuntime({ startMs: 1000 });
  const member = new TestingMember(runtime);
  await member.propose({ type: 'leaseGrant', lease, ttlMs: 10_000 });
  const call = new TestingCall();
  const requests = new TestingRequests<AttachRequest>();
  const api = testingServices(member, runtime);
  const responses = new AttachStream(api, call).responses(requests);
  const attach = async (request: Partial<AttachRequest> = {}): Promise<AttachResponse> => {
    requests.send(AttachRequest.create({ ID: lease, graceMs: 50, ...request }));
    const { value } = await responses.next();
    const response = value as AttachResponse;
    if (response.attachment > 0)
      requests.send(AttachRequest.create({ ID: lease, confirmed: response.attachment }));
    await runtime.advance(0);
    return response;
  };
  /** Reads to the end of the stream, whatever it is, and lets the work that it left behind run. */
  const finish = async (): Promise<void> => {
    await assert.doesNotReject(responses.next().catch(() => undefined));
    await runtime.advance(0);
  };
  const detaches = () => member.proposed.filter(({ type }) => type === 'detach');
  return { runtime, member, api, call, requests, responses, attach, finish, detaches };
}

test('a connection closed by the holder detaches its lease with the grace it asked for', async () => {
  const { member, call, attach, finish, detaches } = await open();
  const { attachment } = await attach();
  assert.ok(attachment > 0);
  call.disconnect('peer');
  await finish();
  assert.deepEqual(detaches(), [{ type: 'detach', lease, attachment, graceMs: 50 }]);
  assert.equal(member.keyspace.lease(lease, false)?.deadlineMs, 1050);
});

test('a binding that the holder never confirmed detaches nothing: it may be bound elsewhere by now', async () => {
  const { call, requests, responses, finish, detaches } = await open();
  requests.send(AttachRequest.create({ ID: lease, graceMs: 50 }));
  const { value } = await responses.next();
  assert.ok((value as AttachResponse).attachment > 0);
  call.disconnect('peer');
  await finish();
  assert.deepEqual(detaches(), []);
});

for (const cause of ['broken', 'local'] as const) {
  test(`a connection that ended as '${cause}' detaches nothing`, async () => {
    const { call, attach, finish, detaches } = await open();
    await attach();
    call.disconnect(cause);
    await finish();
    assert.deepEqual(detaches(), []);
  });
}

test('a holder that cancels the stream while its connection lives is detached', async () => {
  const { call, attach, finish, detaches } = await open();
  await attach();
  call.abort(failure('cancelled'));
  await finish();
  assert.equal(detaches().length, 1);
});

test('a holder that ends its half is detached, and the stream ends well', async () => {
  const { requests, responses, attach, runtime, detaches } = await open();
  await attach();
  requests.end();
  assert.equal((await responses.next()).done, true);
  await runtime.advance(0);
  assert.equal(detaches().length, 1);
});

for (const name of ['deadlineExceeded', 'stopped'] as const) {
  test(`a stream that ends with '${name}' detaches nothing`, async () => {
    const { call, attach, finish, detaches } = await open();
    await attach();
    call.abort(failure(name));
    await finish();
    assert.deepEqual(detaches(), []);
  });
}

test('a member that stops says so, and detaches nothing although the holder then leaves', async () => {
  const { member, call, responses, attach, finish, detaches } = await open();
  await attach();
  await member.prepareToStop();
  const { value } = await responses.next();
  assert.equal((value as AttachResponse).moving, true);
  call.disconnect('peer');
  await finish();
  assert.deepEqual(detaches(), []);
});

test('an attachment to a member that is stopping already is told to move', async () => {
  const { member, api, call } = await open();
  await member.prepareToStop();
  const { value } = await new AttachStream(api, call).responses(new TestingRequests()).next();
  assert.equal((value as AttachResponse).moving, true);
});

test('a detach that fails for now is repeated until it is applied', async () => {
  const { runtime, member, call, attach, finish, detaches } = await open();
  await attach();
  member.failure = new ConclaveError('no-leader', 'none', { retryable: true });
  call.disconnect('peer');
  await finish();
  await runtime.advance(5000);
  const tries = detaches().length;
  assert.ok(tries > 3, `${tries}`);
  member.failure = undefined;
  await runtime.advance(1000);
  assert.equal(detaches().length, tries + 1);
  await runtime.advance(60_000);
  assert.equal(detaches().length, tries + 1);
});

test('an unknown lease is named as such and the stream goes on', async () => {
  const { attach } = await open();
  assert.equal((await attach({ ID: 4242n })).unknownLease, true);
  assert.equal((await attach()).unknownLease, false);
});

test('a lease that the holder detached itself keeps its deadline', async () => {
  const { call, attach, finish, detaches } = await open();
  await attach();
  assert.equal((await attach({ detach: true })).detached, true);
  assert.equal((await attach({ detach: true })).detached, false);
  call.disconnect('peer');
  await finish();
  assert.deepEqual(detaches(), []);
});

test('a late detach of an earlier attachment does not touch a holder that attached again', async () => {
  const first = await open();
  await first.attach();
  const { member, runtime } = first;
  const again = new TestingCall();
  const requests = new TestingRequests<AttachRequest>();
  const second = new AttachStream(testingServices(member, runtime), again).responses(requests);
  requests.send(AttachRequest.create({ ID: lease, graceMs: 50 }));
  await second.next();
  first.call.disconnect('peer');
  await first.finish();
  assert.equal(first.detaches().length, 1);
  assert.equal(member.keyspace.lease(lease, false)?.deadlineMs, 11_000);
});

test('an attachment made while the stream ended detaches nothing: the holder never heard of it', async () => {
  const { runtime, call, requests, responses, detaches } = await open();
  requests.send(AttachRequest.create({ ID: lease, graceMs: 50 }));
  const ended = responses.next().catch(() => undefined);
  call.disconnect('peer');
  await ended;
  await runtime.advance(0);
  assert.deepEqual(detaches(), []);
});

test('a stream leaves no listener at the member', async () => {
  const { member, call, attach, finish } = await open();
  await attach();
  const before = member.listenerCount;
  call.disconnect('peer');
  await finish();
  assert.equal(member.listenerCount, before - 1);
});
