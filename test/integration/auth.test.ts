// Users, roles and tokens over three members as real processes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConclaveClient, connectClient } from '../../src/client/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { AuthenticateRequest, PutRequest, services } from '../../src/wire/index.ts';
import { Caller } from '../interop/caller.ts';
import { type ClusterMember, TestCluster } from './cluster.ts';

const patience = { timeout: 180_000 };
const bytes = (text: string): Uint8Array => Buffer.from(text);
const { Auth, KV } = services;

async function enable(cluster: TestCluster): Promise<void> {
  const { users } = cluster.client;
  await users.add('root', 'of root');
  await users.grantRole('root', 'root');
  await users.add('ann', 'of ann');
  await users.addRole('hers');
  await users.grantPermission('hers', { permType: 2, key: bytes('a'), rangeEnd: bytes('b') });
  await users.grantRole('ann', 'hers');
  await users.enable();
}

function as(cluster: TestCluster, username: string, password: string) {
  const endpoints = cluster.members.map(({ clientUrl }) => clientUrl);
  return connectClient({ endpoints, username, password, timeoutMs: 30_000 });
}

async function leaderAs(cluster: TestCluster, root: ConclaveClient): Promise<ClusterMember> {
  for (;;) {
    for (const member of cluster.members) {
      const endpoint = member.clientUrl;
      const { role } = await root.memberState({ endpoint });
      if (role === 'leader') return member;
    }
  }
}

/** The status of a put on one member. */
async function put(url: string, token: string | undefined, key = 'a'): Promise<string> {
  using caller = new Caller(url.replace('http://', ''));
  const answer = await caller.unary(KV.put, PutRequest.create({ key: bytes(key) }), {
    token,
    timeoutMs: 20_000,
  });
  return 'response' in answer ? 'ok' : `${answer.code} ${answer.message}`;
}

async function listening(url: string): Promise<void> {
  const answers = () =>
    fetch(`${url}/version`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await answers())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function login(url: string, name: string, password: string): Promise<string> {
  using caller = new Caller(url.replace('http://', ''));
  const answer = await caller.unary(Auth.authenticate, AuthenticateRequest.create({ name, password }), {
    timeoutMs: 20_000,
  });
  assert.ok('response' in answer, 'message' in answer ? answer.message : '');
  return answer.response.token;
}

test('a token of one member is good on all, also after all have started anew', patience, async () => {
  await using cluster = await TestCluster.start(3, ['--bcrypt-cost', '4']);
  await enable(cluster);
  const [first] = cluster.members;
  assert.ok(first !== undefined);
  const token = await login(first.clientUrl, 'ann', 'of ann');
  const everywhere = async (): Promise<string[]> =>
    Promise.all(cluster.members.map(({ clientUrl }) => put(clientUrl, token)));
  assert.deepEqual(await everywhere(), ['ok', 'ok', 'ok']);
  for (const member of cluster.members) await cluster.end(member, 'SIGKILL');
  for (const member of cluster.members) cluster.run(member);
  await using root = as(cluster, 'root', 'of root');
  await root.put('z', '');
  // Two of three were enough for that.
  for (const { clientUrl } of cluster.members) await listening(clientUrl);
  assert.deepEqual(await everywhere(), ['ok', 'ok', 'ok']);
  // Whichever member is asked next has heard of it, or makes sure before it refuses or lets pass.
  await root.users.changePassword('ann', 'another');
  const invalid = '16 etcdserver: invalid auth token';
  assert.deepEqual(await everywhere(), [invalid, invalid, invalid]);
  const renewed = await login(first.clientUrl, 'ann', 'another');
  for (const { clientUrl } of cluster.members) assert.equal(await put(clientUrl, renewed), 'ok');
});

test('what root grants or takes is so for the next request on any member', patience, async () => {
  await using cluster = await TestCluster.start(3, ['--bcrypt-cost', '4']);
  await enable(cluster);
  await using root = as(cluster, 'root', 'of root');
  const [first] = cluster.members;
  assert.ok(first !== undefined);
  const token = await login(first.clientUrl, 'ann', 'of ann');
  const range = { key: bytes('k'), rangeEnd: new Uint8Array(0) };
  for (let round = 0; round < 10; round++) {
    await root.users.grantPermission('hers', { permType: 1, ...range });
    for (const { clientUrl } of cluster.members) assert.equal(await put(clientUrl, token, 'k'), 'ok');
    await root.users.revokePermission('hers', range);
    for (const { clientUrl } of cluster.members) {
      assert.equal(await put(clientUrl, token, 'k'), '7 etcdserver: permission denied');
    }
  }
});

test(
  'a client goes on when its token runs out, when its member dies, and ends its watch with its right',
  patience,
  async () => {
    await using cluster = await TestCluster.start(3, ['--bcrypt-cost', '4', '--auth-token-ttl', '1']);
    await enable(cluster);
    await using ann = as(cluster, 'ann', 'of ann');
    await using root = as(cluster, 'root', 'of root');
    const seen: string[] = [];
    let announced = (): void => {};
    const watching = new Promise<void>((resolve) => {
      announced = resolve;
    });
    let arrived = (): void => {};
    const third = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const watched = (async () => {
      for await (const { events } of ann.watch({ key: bytes('a'), rangeEnd: bytes('b') })) {
        announced();
        for (const { kv } of events) seen.push(Buffer.from(kv?.key ?? []).toString());
        if (seen.includes('a3')) arrived();
      }
    })();
    // It ends when the right is taken, which may be before that is asked for below.
    watched.catch(() => undefined);
    await watching;
    await ann.put('a1', '');
    const { lease } = await ann.leaseGrant(60_000);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await ann.put('a2', '', { lease });
    await cluster.end(await leaderAs(cluster, root), 'SIGKILL');
    await ann.put('a3', '');
    await assert.rejects(ann.put('z', ''), (error) => ConclaveError.is(error, 'permission-denied'));
    await assert.rejects(ann.users.list(), (error) => ConclaveError.is(error, 'permission-denied'));
    // A watch that has not come to another member yet would find its right gone there, before what it was to see.
    await Promise.race([third, watched]);
    await root.users.revokeRole('ann', 'hers');
    await root.put('a4', '');
    await assert.rejects(watched, (error) => ConclaveError.is(error, 'permission-denied'));
    assert.deepEqual(seen, ['a1', 'a2', 'a3']);
  },
);

test('a wrong password is told as such, at once and for good', patience, async () => {
  await using cluster = await TestCluster.start(1, ['--bcrypt-cost', '4']);
  await enable(cluster);
  for (const [name, password] of [
    ['ann', 'wrong'],
    ['nobody', 'of ann'],
  ] as const) {
    await using client = as(cluster, name, password);
    await assert.rejects(client.put('a', ''), { code: 'unauthenticated', outcome: 'not-applied' });
    await assert.rejects(
      async () => {
        for await (const _ of client.watch({ key: bytes('a') })) assert.fail('it watches');
      },
      { code: 'unauthenticated' },
    );
  }
});
