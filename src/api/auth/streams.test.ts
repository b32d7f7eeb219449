// What a stream may do once who opened it is nobody any more, may less, or has a token that ran out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../../runtime/testing.ts';
import {
  AttachRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  CampaignRequest,
  KeepAliveBatchRequest,
  LeaderRequest,
  LeaseKeepAliveRequest,
  LockRequest,
  MemberStateRequest,
  type MethodDescriptor,
  PutRequest,
  services,
  WatchCreateRequest,
  WatchRequest,
  type WatchResponse,
} from '../../wire/index.ts';
import { toStatus } from '../status.ts';
import { TestingRequests } from '../testing.ts';
import { bytes, Caller, openWithAuth, tokenTtlMs } from './testing.ts';

const { Auth, Conclave, Election, KV, Lease, Lock, Watch } = services;
const invalid = '16 etcdserver: invalid auth token';
const denied = '7 etcdserver: permission denied';

type World = Awaited<ReturnType<typeof openWithAuth>>;

/** A stream of requests by ann, whose answers come as 'ok' or as the error that ended it. */
async function streamOf<Req, Res>(world: World, method: MethodDescriptor<Req, Res>) {
  const served = world.registry.get(method.path);
  assert.ok(served?.shape === 'duplex');
  const call = new Caller(await world.login('ann'));
  const requests = new TestingRequests<unknown>();
  const answers = served.handler(requests, call)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    try {
      const { done } = await settle(world.runtime, answers.next());
      return done ? 'ended' : 'ok';
    } catch (error) {
      const { code, message } = toStatus(error);
      return `${code} ${message}`;
    }
  };
  return {
    ask(request: Req): Promise<string> {
      requests.send(request);
      return next();
    },
    close() {
      requests.end();
      call.disconnect('peer');
    },
  };
}

/** Each takes from ann what her streams were opened with. */
const losses: readonly (readonly [string, string, (world: World) => Promise<unknown>])[] = [
  ['her user is deleted', invalid, ({ ask, root }) => ask(Auth.userDelete, { name: 'ann' }, root)],
  [
    'her user is deleted and made anew',
    invalid,
    async ({ ask, root }) => {
      await ask(Auth.userDelete, { name: 'ann' }, root);
      await ask(Auth.userAdd, AuthUserAddRequest.create({ name: 'ann', password: 'another' }), root);
      await ask(Auth.userGrantRole, { user: 'ann', role: 'hers' }, root);
    },
  ],
  [
    'her password is another',
    invalid,
    ({ ask, root }) =>
      ask(
        Auth.userChangePassword,
        AuthUserChangePasswordRequest.create({ name: 'ann', password: 'x' }),
        root,
      ),
  ],
  ['her token has run out', invalid, ({ runtime }) => runtime.advance(tokenTtlMs + 1)],
];

for (const [loss, told, happens] of losses) {
  test(`a stream of keep-alives, of batches of them or of attachments goes no further once ${loss}`, async () => {
    const world = await openWithAuth();
    const lease = 7n;
    await world.ask(Lease.leaseGrant, { ID: lease, TTL: 10_000 }, world.root);
    const streams = [
      {
        ...(await streamOf(world, Lease.leaseKeepAlive)),
        request: LeaseKeepAliveRequest.create({ ID: lease }),
      },
      {
        ...(await streamOf(world, Conclave.keepAliveBatch)),
        request: KeepAliveBatchRequest.create({ IDs: [lease], requestId: 1 }),
      },
      { ...(await streamOf(world, Conclave.attach)), request: AttachRequest.create({ ID: lease }) },
    ] as const;
    for (const { ask, request } of streams) assert.equal(await ask(request as never), 'ok');
    await happens(world);
    for (const { ask, request, close } of streams) {
      assert.equal(await ask(request as never), told);
      close();
    }
  });
}

test('a token that has run out creates no further watch, and the watches that stand go on', async () => {
  const world = await openWithAuth();
  const { runtime, registry, ask, login } = world;
  const served = registry.get(Watch.watch.path);
  assert.ok(served?.shape === 'duplex');
  const requests = new TestingRequests<WatchRequest>();
  const call = new Caller(await login('ann'));
  const responses = (served.handler(requests, call) as AsyncIterable<WatchResponse>)[Symbol.asyncIterator]();
  const next = async () => (await settle(runtime, responses.next())).value as WatchResponse;
  const watch = () => {
    const value = WatchCreateRequest.create({ key: bytes('a') });
    requests.send(WatchRequest.create({ requestUnion: { $case: 'createRequest', value } }));
  };
  watch();
  assert.equal((await next()).canceled, false);
  await runtime.advance(tokenTtlMs + 1);
  watch();
  assert.match((await next()).cancelReason, /invalid auth token/);
  const root = new Caller(await login('root'));
  await ask(KV.put, PutRequest.create({ key: bytes('a') }), root);
  assert.equal((await next()).events.length, 1);
  // Another password ends those as well.
  const change = AuthUserChangePasswordRequest.create({ name: 'ann', password: 'x' });
  await ask(Auth.userChangePassword, change, root);
  await ask(KV.put, PutRequest.create({ key: bytes('a') }), root);
  const last = await next();
  assert.deepEqual([last.canceled, last.events.length], [true, 0]);
  assert.match(last.cancelReason, /invalid auth token/);
  requests.end();
  call.disconnect('peer');
});

test('who follows the state of a member or an election hears no more once its user is deleted', async () => {
  const world = await openWithAuth();
  const { runtime, registry, ask, login, root } = world;
  const open = async (path: string, request: unknown) => {
    const served = registry.get(path);
    assert.ok(served?.shape === 'server-stream');
    const call = new Caller(await login('ann'));
    const answers = served.handler(request, call)[Symbol.asyncIterator]();
    return { call, next: () => settle(runtime, answers.next()) };
  };
  const { lease } = (
    await ask(Election.campaign, CampaignRequest.create({ name: bytes('a'), value: bytes('1') }), root)
  ).leader ?? { lease: 0n };
  const state = await open(Conclave.memberState.path, MemberStateRequest.create({ follow: true }));
  const leaders = await open(Election.observe.path, LeaderRequest.create({ name: bytes('a') }));
  for (const { next } of [state, leaders]) assert.equal((await next()).done, false);
  assert.equal((await state.next()).done, false);
  await ask(Auth.userDelete, { name: 'ann' }, root);
  await assert.rejects(state.next(), /invalid auth token/);
  const again = CampaignRequest.create({ name: bytes('a'), lease, value: bytes('2') });
  await ask(Election.campaign, again, root);
  await assert.rejects(leaders.next(), /invalid auth token/);
  for (const { call } of [state, leaders]) call.disconnect('peer');
});

test('who waits for a lock and loses its role meanwhile does not get it', async () => {
  const world = await openWithAuth();
  const { runtime, registry, ask, login, root } = world;
  const held = await ask(Lock.lock, LockRequest.create({ name: bytes('a') }), root);
  const served = registry.get(Lock.lock.path);
  assert.ok(served?.shape === 'unary');
  const waiting = served.handler(LockRequest.create({ name: bytes('a') }), new Caller(await login('ann')));
  const outcome = waiting.then(
    () => 'locked',
    (error: unknown) => toStatus(error).message,
  );
  await runtime.advance(10);
  await ask(Auth.roleDelete, { role: 'hers' }, root);
  await ask(Lock.unlock, { key: held.key }, root);
  assert.match(await settle(runtime, outcome), new RegExp(denied.slice(2)));
});
