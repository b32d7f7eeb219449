import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import { settle } from '../../runtime/testing.ts';
import {
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  ProposeRequest,
  PutRequest,
  RangeRequest,
  services,
  WatchCreateRequest,
  WatchRequest,
  type WatchResponse,
} from '../../wire/index.ts';
import { createRegistry } from '../registry.ts';
import { toStatus } from '../status.ts';
import { TestingRequests, testingServices } from '../testing.ts';
import { Passwords } from './passwords.ts';
import { requirementOf } from './policy.ts';
import { bytes, Caller, openWithAuth, tokenTtlMs } from './testing.ts';

const { Auth, KV, Conclave } = services;

const invalid = '16 etcdserver: invalid auth token';

test('passwords reach the log only as hashes, and tokens not at all', async () => {
  const { member, login } = await openWithAuth();
  const token = await login('ann');
  const log = JSON.stringify(member.proposed, (_name, field: unknown) =>
    field instanceof Uint8Array ? Buffer.from(field).toString('latin1') : field,
  );
  assert.ok(log.includes('$scrypt$'));
  assert.ok(!log.includes("ann's") && !log.includes("root's") && !log.includes(token));
});

test('a token runs out when it is not used, and lasts while it is', async () => {
  const { runtime, member, login, put } = await openWithAuth();
  const unused = await login('ann');
  const used = await login('ann');
  for (let step = 0; step < 6; step++) {
    await runtime.advance(tokenTtlMs * 0.4);
    assert.equal(await put(used), 'ok');
  }
  assert.equal(await put(unused), invalid);
  // One entry for each half of its time, not one for each use.
  const extensions = () => member.proposed.filter(({ type }) => type === 'extendToken').length;
  assert.ok(extensions() >= 1 && extensions() <= 5, `${extensions()} extensions`);
  const before = extensions();
  for (let use = 0; use < 20; use++) assert.equal(await put(used), 'ok');
  assert.ok(extensions() <= before + 1);
  await runtime.advance(tokenTtlMs + 1);
  assert.equal(await put(used), invalid);
});

test('an extension that fails is not tried again until the token is used again', async () => {
  const { runtime, member, ask, login } = await openWithAuth();
  const token = await login('ann');
  await runtime.advance(tokenTtlMs * 0.6);
  const extensions = () => member.proposed.filter(({ type }) => type === 'extendToken').length;
  const read = () =>
    ask(KV.range, RangeRequest.create({ key: bytes('a'), serializable: true }), new Caller(token));
  member.failure = new ConclaveError('no-leader', 'None.', { retryable: true, outcome: 'not-applied' });
  for (let use = 1; use <= 5; use++) {
    await read();
    assert.equal(extensions(), use);
  }
  await runtime.advance(10_000);
  assert.equal(extensions(), 5);
  member.failure = undefined;
  await read();
  await read();
  assert.equal(extensions(), 6);
});

test('what had to wait for rights to be known is proposed for as long as its caller still waits', async () => {
  const { member, ask, told, login, root } = await openWithAuth();
  const caller = new Caller(await login('ann'));
  const leave = (deadlineMs: number) => Object.assign(caller, { deadlineMs });
  leave(5000);
  member.readBarrier = async () => {
    leave(100);
    const perm = { permType: 2 as const, key: bytes('x'), rangeEnd: bytes('') };
    await ask(Auth.roleGrantPermission, { name: 'hers', perm }, root);
  };
  const waits: (number | undefined)[] = [];
  const propose = member.propose.bind(member);
  member.propose = (command, options) => {
    if (command.type === 'put') waits.push(options?.timeoutMs);
    return propose(command, options);
  };
  assert.equal(await told(KV.put, PutRequest.create({ key: bytes('x') }), caller), 'ok');
  assert.deepEqual(waits, [100]);
});

test('a token is void once the password or the user is another, auth was disabled, or a bit of it is wrong', async () => {
  const { ask, login, put, root } = await openWithAuth();
  const first = await login('ann');
  assert.equal(await put(first), 'ok');
  for (const at of [0, 5, first.indexOf('.') + 1, first.length - 2]) {
    const other = first[at] === 'A' ? 'B' : 'A';
    assert.equal(await put(first.slice(0, at) + other + first.slice(at + 1)), invalid);
  }
  for (const odd of ['', '.', 'a.b.c', 'x'.repeat(10_000), `${first}.`])
    assert.equal(await put(odd), invalid);
  const passwords = AuthUserChangePasswordRequest.create({ name: 'ann', password: "ann's" });
  await ask(Auth.userChangePassword, passwords, root);
  assert.equal(await put(first), invalid);
  const second = await login('ann');
  await ask(Auth.userDelete, { name: 'ann' }, root);
  await ask(Auth.userAdd, AuthUserAddRequest.create({ name: 'ann', password: "ann's" }), root);
  assert.equal(await put(second), invalid);
  await ask(Auth.userGrantRole, { user: 'ann', role: 'hers' }, root);
  const third = await login('ann');
  assert.equal(await put(third), 'ok');
  await ask(Auth.authDisable, {}, root);
  assert.equal(await put(third), 'ok');
  await ask(Auth.authEnable, {});
  assert.equal(await put(third), invalid);
});

test('tokens of another cluster are void', async () => {
  const ours = await openWithAuth();
  const theirs = await openWithAuth();
  Object.assign(theirs.member, { clusterId: 0xc2 });
  const api = testingServices(theirs.member, theirs.runtime);
  const copy = createRegistry(api).get(KV.put.path);
  assert.ok(copy?.shape === 'unary');
  // The same random numbers made the same keys in both: only the cluster tells them apart.
  const token = await ours.login('ann');
  assert.equal(await theirs.put(token), 'ok');
  const request = PutRequest.create({ key: bytes('a') });
  await assert.rejects(copy.handler(request, new Caller(token)), /invalid auth token/);
});

test('without a token the common name of the certificate counts', async () => {
  const { told } = await openWithAuth();
  const put = (key: string, name: string) =>
    told(KV.put, PutRequest.create({ key: bytes(key) }), new Caller(undefined, name));
  assert.equal(await put('a', 'ann'), 'ok');
  assert.equal(await put('b', 'ann'), '7 etcdserver: permission denied');
  assert.equal(await put('b', 'root'), 'ok');
  assert.equal(await put('a', 'stranger'), '7 etcdserver: permission denied');
});

test('a refused write never reaches the log, and a change of roles under way is looked at again', async () => {
  const { member, told, login, root, ask } = await openWithAuth();
  const token = await login('ann');
  const put = () => told(KV.put, PutRequest.create({ key: bytes('b') }), new Caller(token));
  const before = member.proposed.length;
  assert.equal(await put(), '7 etcdserver: permission denied');
  assert.equal(member.proposed.length, before);
  const propose = member.propose.bind(member);
  let changes = 3;
  member.propose = async (command, options) => {
    if (command.type === 'put' && changes-- > 0) {
      const role = `another ${changes}`;
      const author = { user: 'root', authRevision: 0 };
      await propose({ type: 'auth', change: { kind: 'roleAdd', role } }, { author });
    }
    return propose(command, options);
  };
  assert.equal(await told(KV.put, PutRequest.create({ key: bytes('a') }), new Caller(token)), 'ok');
  assert.equal(changes, -1);
  await ask(Auth.roleDelete, { role: 'hers' }, root);
});

test('proposals under the incarnation of another user are refused', async () => {
  const { ask, told, login } = await openWithAuth();
  const [ann, root] = [new Caller(await login('ann')), new Caller(await login('root'))];
  const { incarnation } = await ask(Conclave.registerClient, { name: 'x' }, root);
  const proposal = (sequence: number) =>
    ProposeRequest.create({
      incarnation,
      sequence,
      request: { $case: 'put', value: PutRequest.create({ key: bytes('a'), prevKv: true }) },
    });
  assert.equal(await told(Conclave.propose, proposal(1), root), 'ok');
  assert.match(
    await told(Conclave.propose, proposal(1), ann),
    /^9 conclave: this client incarnation is unknown/,
  );
  assert.equal(await told(Conclave.propose, proposal(1), root), 'ok');
  const compaction = ProposeRequest.create({
    incarnation,
    sequence: 2,
    request: { $case: 'compaction', value: { revision: 1, physical: false } },
  });
  assert.equal(await told(Conclave.propose, compaction, ann), '7 etcdserver: permission denied');
});

test('a watch ends with the first events after its user lost the right to see them', async () => {
  const { runtime, registry, ask, login, root } = await openWithAuth();
  const served = registry.get(services.Watch.watch.path);
  assert.ok(served?.shape === 'duplex');
  const requests = new TestingRequests<WatchRequest>();
  const call = new Caller(await login('ann'));
  const responses = (served.handler(requests, call) as AsyncIterable<WatchResponse>)[Symbol.asyncIterator]();
  const next = async () => (await settle(runtime, responses.next())).value as WatchResponse;
  const watch = (key: string) => {
    const value = WatchCreateRequest.create({ key: bytes(key) });
    requests.send(WatchRequest.create({ requestUnion: { $case: 'createRequest', value } }));
  };
  watch('b');
  assert.match((await next()).cancelReason, /PermissionDenied desc = etcdserver: permission denied$/);
  watch('a');
  assert.equal((await next()).canceled, false);
  await ask(KV.put, PutRequest.create({ key: bytes('a') }), root);
  assert.equal((await next()).events.length, 1);
  // A role more changes nothing for her; and that her token has run out does not either.
  await ask(Auth.roleAdd, { name: 'another' }, root);
  await ask(KV.put, PutRequest.create({ key: bytes('a') }), root);
  assert.equal((await next()).events.length, 1);
  await ask(Auth.roleDelete, { role: 'hers' }, root);
  await ask(KV.put, PutRequest.create({ key: bytes('a') }), root);
  const last = await next();
  assert.deepEqual([last.canceled, last.events.length], [true, 0]);
  assert.match(last.cancelReason, /permission denied/);
  requests.end();
  call.disconnect('peer');
});

test('with auth enabled no method answers somebody unknown, but the one that logs in', async () => {
  const { runtime, registry } = await openWithAuth();
  for (const [path, served] of registry) {
    // Probes and tools that list the methods have no users.
    if (path === Auth.authenticate.path || path.startsWith('/grpc.')) continue;
    const request = served.descriptor.decodeRequest(new Uint8Array());
    const call = new Caller(undefined);
    let answer: unknown;
    try {
      if (served.shape === 'unary') answer = await settle(runtime, served.handler(request, call));
      else {
        const requests = new TestingRequests<unknown>();
        requests.send(path.endsWith('Watch/Watch') ? creation : request);
        const stream =
          served.shape === 'duplex' ? served.handler(requests, call) : served.handler(request, call);
        answer = (await settle(runtime, stream[Symbol.asyncIterator]().next())).value;
        answer = (answer as WatchResponse).cancelReason ?? answer;
      }
    } catch (error) {
      answer = toStatus(error).message;
    }
    const refusals = /user name is empty|key is not provided|"leader" field must be provided/;
    assert.match(String(answer), refusals, `${path} answered ${JSON.stringify(answer)}`);
    call.disconnect('peer');
  }
});

const creation = WatchRequest.create({
  requestUnion: { $case: 'createRequest', value: WatchCreateRequest.create({ key: bytes('a') }) },
});

test('what is not named by the policy takes root', () => {
  const unknown = { ...KV.range };
  assert.equal(requirementOf(unknown, RangeRequest.create({})), 'root');
});

test('a login as nobody costs what a login as one of the users costs, for each name always the same', async () => {
  const { runtime, api, ask, told, root } = await openWithAuth();
  const cost = 3;
  const hashedPassword = await new Passwords(runtime, cost).hash('x', root);
  await ask(Auth.userAdd, AuthUserAddRequest.create({ name: 'cheap', hashedPassword }), root);
  const noPassword = { options: { noPassword: true } };
  for (const name of ['c1', 'c2'])
    await ask(Auth.userAdd, AuthUserAddRequest.create({ name, ...noPassword }), root);
  const { keyDerivation } = runtime;
  const costs: number[] = [];
  Object.assign(api.runtime, {
    keyDerivation: {
      scrypt: (...given: Parameters<typeof keyDerivation.scrypt>) => {
        costs.push(Math.log2(given[2].cost));
        return keyDerivation.scrypt(...given);
      },
    },
  });
  const costOf = async (name: string) => {
    assert.match(await told(Auth.authenticate, { name, password: 'guess' }), /invalid user ID or password/);
    return costs.at(-1);
  };
  const seen = new Set<number | undefined>();
  for (let number = 0; number < 40; number++) {
    const name = `nobody ${number}`;
    const first = await costOf(name);
    assert.equal(await costOf(name), first);
    seen.add(first);
  }
  assert.deepEqual([...seen].toSorted(), [cost, 4]);
  assert.ok([cost, 4].includes((await costOf('c1')) ?? 0));
});
