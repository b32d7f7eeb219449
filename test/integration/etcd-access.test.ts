// Who may use a real etcd and how: logins, permissions, TLS, quotas, versions, and what is said where that fails.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GrpcTransport } from '../../src/client/index.ts';
import { Candidate } from '../../src/election/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import { etcdStore } from '../../src/stores/etcd.ts';
import {
  AuthRoleGrantPermissionRequest,
  AuthUserAddRequest,
  PutRequest,
  services,
} from '../../src/wire/index.ts';
import { peer } from '../peers.ts';
import { EtcdCluster, type EtcdMember } from './etcd-cluster.ts';

const etcd = peer('etcd');
const skip = etcd.missing ?? false;
const session = { ttlMs: 5000, holder: 'h' };
const acquiring = { metadata: '', priority: 0 };

describe('An etcd with authentication', { skip }, () => {
  let cluster: EtcdCluster;
  let member: EtcdMember;
  before(async () => {
    cluster = await EtcdCluster.start(etcd.path ?? '', 1, ['--auth-token-ttl=1', '--bcrypt-cost=4']);
    [member] = cluster.members as [EtcdMember];
    const { Auth } = services;
    await cluster.call(member, Auth.roleAdd, { name: 'elections' });
    await cluster.call(
      member,
      Auth.roleGrantPermission,
      AuthRoleGrantPermissionRequest.create({
        name: 'elections',
        perm: { permType: 2, key: Buffer.from('team/elections/'), rangeEnd: Buffer.from('team/elections0') },
      }),
    );
    for (const [name, role] of [
      ['root', 'root'],
      ['worker', 'elections'],
      ['stranger', undefined],
    ] as const) {
      await cluster.call(
        member,
        Auth.userAdd,
        AuthUserAddRequest.create({ name, password: `${name}-secret` }),
      );
      if (role !== undefined) await cluster.call(member, Auth.userGrantRole, { user: name, role });
    }
    await cluster.call(member, Auth.authEnable, {});
  });
  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });
  const open = (user?: string, password?: string, namespace = 'team/elections') =>
    etcdStore({ endpoints: member.endpoint, namespace, ...(user && { user, password }) });

  test('serves a user whose role may read and write the namespace, also after its token ran out', async () => {
    await using store = open('worker', 'worker-secret');
    await using candidate = new Candidate(store, 'job', { ttlMs: 12_000, renewEveryMs: 1000 });
    const leadership = await candidate.campaign();
    await using other = open('worker', 'worker-secret');
    await using second = new Candidate(other, 'job', { ttlMs: 12_000, renewEveryMs: 1000 });
    const campaign = second.campaign();
    campaign.catch(() => {});
    // Longer than any token lives, with nothing but renewals and quiet watches.
    await sleep(4000);
    leadership.assertHeld();
    const stop = new AbortController();
    for await (const { leader } of store.watch('job', { signal: stop.signal })) {
      assert.equal(leader?.token, leadership.token);
      break;
    }
    await leadership.resign();
    assert((await campaign).token > leadership.token);
  });

  test('refuses a wrong password, a missing login and a missing permission, each with its remedy', async () => {
    const refused = { code: 'failed-precondition' };
    await using wrong = open('worker', 'guess');
    await assert.rejects(wrong.read('job'), {
      ...refused,
      message: /^etcd at \S+: .*check user and password/,
    });
    await assert.rejects(wrong.openSession(session), { ...refused, message: /check user and password/ });
    await using nobody = open();
    await assert.rejects(nobody.read('job'), { ...refused, message: /give user and password/ });
    await using stranger = open('stranger', 'stranger-secret');
    const remedy = /"stranger" readwrite on the prefix team\/elections\/,/;
    await assert.rejects(stranger.read('job'), { ...refused, message: remedy });
    await using elsewhere = open('worker', 'worker-secret', 'other');
    const opened = await elsewhere.openSession(session);
    await assert.rejects(opened.acquire('job', acquiring), { ...refused, message: /permission denied/ });
  });
});

test('an etcd that asks for certificates is reached with them, and not without', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'etcd-tls-'));
  try {
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    const subject = ['-subj', '/CN=etcd', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', key, '-out', certificate];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', ...files, ...subject],
      {
        stdio: 'ignore',
      },
    );
    const tls = {
      certificateAuthority: readFileSync(certificate),
      certificate: readFileSync(certificate),
      key: readFileSync(key),
    };
    const flags = [
      `--cert-file=${certificate}`,
      `--key-file=${key}`,
      '--client-cert-auth',
      `--trusted-ca-file=${certificate}`,
    ];
    await using cluster = await EtcdCluster.start(etcd.path ?? '', 1, flags, tls);
    const endpoints = cluster.endpoints.map((endpoint) => `https://${endpoint}`);
    await using store = etcdStore({ endpoints, tls });
    const opened = await store.openSession(session);
    assert.equal((await opened.acquire('job', acquiring)).status, 'acquired');
    const { certificateAuthority } = tls;
    await using bare = etcdStore({ endpoints, tls: { certificateAuthority }, timeoutMs: 3000 });
    await assert.rejects(bare.read('job'), { code: 'unavailable' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('an etcd without space lets leaders and waiters go, and says what is wrong to who comes', {
  skip,
}, async () => {
  await using cluster = await EtcdCluster.start(etcd.path ?? '', 1, ['--quota-backend-bytes=1000000']);
  const [member] = cluster.members as [EtcdMember];
  await using store = etcdStore({ endpoints: cluster.endpoints });
  const first = await store.openSession({ ttlMs: 600_000, holder: 'first' });
  const won = await first.acquire('job', acquiring);
  const second = await store.openSession({ ttlMs: 600_000, holder: 'second' });
  const third = await store.openSession({ ttlMs: 600_000, holder: 'third' });
  assert(won.status === 'acquired');
  for (const waiter of [second, third])
    assert.equal((await waiter.acquire('job', acquiring)).status, 'waiting');
  const value = new Uint8Array(100_000);
  const fill = async () => {
    for (let number = 0; ; number += 1) {
      await cluster.call(
        member,
        services.KV.put,
        PutRequest.create({ key: Buffer.from(`fill-${number}`), value }),
      );
    }
  };
  await assert.rejects(fill(), { code: 'disk-full' });
  await first.renew();
  await assert.rejects(store.openSession(session), { code: 'disk-full' });
  await assert.rejects(first.proclaim('job', won.token, 'm'), { code: 'disk-full' });
  await second.withdraw('job');
  assert.equal(await first.release('job', won.token), true);
  assert.equal(await first.release('job', won.token), false);
  const { leader, waiting } = await store.read('job');
  assert.deepEqual([leader, waiting.map(({ holder }) => holder)], [undefined, ['third']]);
});

test('an etcd that is too old is refused by its version', { skip }, async () => {
  await using cluster = await EtcdCluster.start(etcd.path ?? '', 1);
  const runtime = nodeRuntime();
  await using store = etcdStore({
    endpoints: cluster.endpoints,
    transport: (endpoint) => {
      const transport = new GrpcTransport(endpoint, { runtime });
      return {
        endpoint,
        unary: async (method, request, options) => {
          const answer = await transport.unary(method, request, options);
          return method.path === services.Maintenance.status.path ? { ...answer, version: '3.3.27' } : answer;
        },
        stream: (method, options) => transport.stream(method, options),
        onBreak: (listener) => transport.onBreak(listener),
        close: (cause) => transport.close(cause),
      };
    },
  });
  await assert.rejects(store.openSession(session), { code: 'unsupported', message: /3\.3\.27.*3\.4/ });
});

test('options that name no etcd, or half a login, are refused before anything is sent', () => {
  const careless = etcdStore as (options?: unknown) => unknown;
  const endpoints = 'http://127.0.0.1:2379';
  for (const options of [undefined, null, endpoints, {}])
    assert.throws(() => careless(options), { code: 'invalid-argument', message: /127\.0\.0\.1:2379/ });
  const misspelt = /must not contain "endpoint". Did you mean endpoints\?/;
  assert.throws(() => careless({ endpoint: endpoints }), { code: 'invalid-argument', message: misspelt });
  for (const options of [
    { user: 'u' },
    { password: 'p' },
    { user: '', password: 'p' },
    { minTtlMs: 1500 },
    { minTtlMs: 0 },
    { timeoutMs: 0 },
    { namespace: '' },
    { namespace: 'a/' },
    { endpoints: 'ftp://127.0.0.1' },
  ])
    assert.throws(() => etcdStore({ endpoints, ...options }), { code: 'invalid-argument' });
});

test('a time to live below the floor is refused with the floor named', async () => {
  await using store = etcdStore({ endpoints: '127.0.0.1:1' });
  await assert.rejects(store.openSession({ ttlMs: 1999, holder: 'h' }), {
    code: 'invalid-argument',
    message: /2000/,
  });
  assert.throws(() => new Candidate(store, 'job', { ttlMs: 1500 }), {
    code: 'invalid-argument',
    message: /2000/,
  });
});
