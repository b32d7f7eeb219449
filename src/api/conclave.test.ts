import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import {
  Compare,
  KeepAliveBatchRequest,
  LeaseGrantMsRequest,
  MemberStateRequest,
  type MemberStateResponse,
  ProposeRequest,
  PutRequest,
  RequestOp,
  TxnRequest,
  TxnSequence,
} from '../wire/index.ts';
import { conclaveService } from './conclave.ts';
import { StatusError } from './status.ts';
import { TestingCall, TestingMember, TestingRequests, testingServices } from './testing.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function open() {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  const service = conclaveService(testingServices(member, runtime));
  const call = new TestingCall();
  const register = async (): Promise<number> =>
    (await service.registerClient({ name: 'test' }, call)).incarnation;
  const propose = (request: Partial<ProposeRequest>) => service.propose(ProposeRequest.create(request), call);
  const put = (value: string): ProposeRequest['request'] => ({
    $case: 'put',
    value: PutRequest.create({ key: bytes('k'), value: bytes(value), prevKv: true }),
  });
  return { runtime, member, service, call, register, propose, put };
}

async function failed(promise: Promise<unknown>): Promise<StatusError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof StatusError);
  return error;
}

test('a proposal repeated under its identity is applied once and answered alike', async () => {
  const { member, register, propose, put } = open();
  const incarnation = await register();
  const first = await propose({ incarnation, sequence: 1, request: put('a') });
  await propose({ incarnation, sequence: 2, request: put('b') });
  const { revision } = member.keyspace;
  assert.deepEqual(await propose({ incarnation, sequence: 1, request: put('a') }), first);
  assert.equal(member.keyspace.revision, revision);
});

test('a lease granted under an identity keeps its id when the grant is repeated', async () => {
  const { member, register, propose } = open();
  const incarnation = await register();
  const request = { $case: 'leaseGrant', value: LeaseGrantMsRequest.create({ ttlMs: 1500 }) } as const;
  const { response } = await propose({ incarnation, sequence: 1, request });
  const again = await propose({ incarnation, sequence: 1, request });
  assert.ok(response?.$case === 'leaseGrant' && response.value.ID > 0n && response.value.ttlMs === 1500);
  assert.deepEqual(again.response, response);
  assert.equal(member.keyspace.leaseCount, 1);
});

test('an unknown incarnation and a forgotten sequence are told apart', async () => {
  const { register, propose, put } = open();
  const unknown = await failed(propose({ incarnation: 4242, sequence: 1, request: put('a') }));
  assert.deepEqual([unknown.code, unknown.conclave.code], [9, 'unknown-incarnation']);
  const incarnation = await register();
  await propose({ incarnation, sequence: 1, request: put('a') });
  await propose({ incarnation, sequence: 2, acknowledgedBelow: 2, request: put('b') });
  const forgotten = await failed(propose({ incarnation, sequence: 1, request: put('a') }));
  assert.deepEqual(forgotten.conclave, { code: 'failed-precondition', outcome: 'unknown', retryable: false });
});

test('a proposal without identity or request is refused before it is proposed', async () => {
  const { member, propose, put } = open();
  for (const request of [
    {},
    { incarnation: 1 },
    { sequence: 1, request: put('a') },
    { incarnation: 1, sequence: 1 },
  ]) {
    assert.equal((await failed(propose(request))).conclave.code, 'invalid-argument');
  }
  assert.deepEqual(member.proposed, []);
});

test('a sequence of transactions is answered one by one, each with its revision, up to the first that fails', async () => {
  const { register, propose } = open();
  const incarnation = await register();
  const write = (value: string) =>
    RequestOp.create({
      request: { $case: 'requestPut', value: PutRequest.create({ key: bytes('k'), value: bytes(value) }) },
    });
  const absent = Compare.create({
    key: bytes('k'),
    target: 1,
    targetUnion: { $case: 'createRevision', value: 0 },
  });
  const requests = [
    TxnRequest.create({ compare: [absent], success: [write('a')] }),
    TxnRequest.create({ success: [write('b')] }),
    TxnRequest.create({ compare: [absent], success: [write('c')] }),
    TxnRequest.create({ success: [write('d')] }),
  ];
  const request = { $case: 'txnSequence', value: TxnSequence.create({ requests }) } as const;
  const { response } = await propose({ incarnation, sequence: 1, request });
  assert.ok(response?.$case === 'txnSequence');
  assert.deepEqual(
    response.value.responses.map(({ header, succeeded }) => [header?.revision, succeeded]),
    [
      [2, true],
      [3, true],
      [3, false],
    ],
  );
});

test('TTLs in milliseconds are granted as asked; none and endless ones are refused', async () => {
  const { service, call } = open();
  const grant = (ttlMs: number) => service.leaseGrantMs(LeaseGrantMsRequest.create({ ttlMs }), call);
  assert.equal((await grant(137)).ttlMs, 137);
  assert.equal((await failed(grant(0))).code, 3);
  assert.equal((await failed(grant(9e12 + 1))).message, 'etcdserver: too large lease TTL');
});

test('a batch of keep-alives is one command, answered when it was applied', async () => {
  const { runtime, member, service, call } = open();
  for (const lease of [1n, 2n]) await member.propose({ type: 'leaseGrant', lease, ttlMs: 500 });
  const requests = new TestingRequests<KeepAliveBatchRequest>();
  const answers = service.keepAliveBatch(requests, call)[Symbol.asyncIterator]();
  requests.send(KeepAliveBatchRequest.create({ requestId: 5, IDs: [1n, 9n, 2n] }));
  const next = answers.next();
  await runtime.advance(0);
  const { value } = await next;
  assert.deepEqual([value?.requestId, value?.IDs, value?.ttlMs], [5, [1n, 9n, 2n], [500, 0, 500]]);
  requests.send(KeepAliveBatchRequest.create({ requestId: 6, IDs: [1n] }));
  member.failure = new ConclaveError('no-leader', 'none', { retryable: true });
  const lost = assert.rejects(answers.next(), (error) => ConclaveError.is(error, 'no-leader'));
  await runtime.advance(0);
  await lost;
});

test('a batch of more keep-alives than one command may have is refused before it reaches the log', async () => {
  const { runtime, member, service, call } = open();
  const requests = new TestingRequests<KeepAliveBatchRequest>();
  const answers = service.keepAliveBatch(requests, call)[Symbol.asyncIterator]();
  const IDs = new Array<bigint>(65_537).fill(1n);
  requests.send(KeepAliveBatchRequest.create({ requestId: 1, IDs }));
  const refused = assert.rejects(answers.next(), /renews 65537 leases; ask for up to 65536/);
  await runtime.advance(0);
  await refused;
  assert.deepEqual(member.proposed, []);
});

test('the state of a member comes once, or with every change and four times a second', async () => {
  const { runtime, member, service, call } = open();
  const once = service.memberState({ follow: false }, call)[Symbol.asyncIterator]();
  const { value } = await once.next();
  assert.deepEqual([value?.name, value?.role, value?.term], ['testing', 'leader', 7]);
  assert.equal((await once.next()).done, true);
  const followed = service
    .memberState(MemberStateRequest.create({ follow: true }), call)
    [Symbol.asyncIterator]();
  const next = async (): Promise<MemberStateResponse> => (await followed.next()).value as MemberStateResponse;
  await next();
  const changed = next();
  await runtime.advance(0);
  await member.prepareToStop();
  await changed;
  const later = next();
  await runtime.advance(250);
  await later;
});

test('the name of a client is short, since every member keeps it', async () => {
  const runtime = manualRuntime();
  const member = new TestingMember(runtime);
  const { registerClient } = conclaveService(testingServices(member, runtime));
  await assert.rejects(registerClient({ name: 'x'.repeat(257) }, new TestingCall()), /up to 256/);
  assert.deepEqual(member.proposed, []);
  assert.equal((await registerClient({ name: 'x'.repeat(256) }, new TestingCall())).incarnation, 1);
});
