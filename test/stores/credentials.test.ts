/** Logins from the variables of the vendors' own tools, on real servers that ask for one; and by a URL, which goes first. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { credsAuthenticator, type NodeConnectionOptions } from '@nats-io/transport-node';
import { natsStore } from '../../src/stores/nats.ts';
import { openStore, schemaOfStore } from '../../src/stores/urls.ts';
import { AuthUserAddRequest, services } from '../../src/wire/index.ts';
import { run } from '../integration/cli.ts';
import { EtcdCluster } from '../integration/etcd-cluster.ts';
import { peer } from '../peers.ts';
import { startMariadb } from '../servers/mariadb.ts';
import { natsMissing, startNats } from '../servers/nats.ts';
import { natsCredentials, natsKey } from '../servers/nats-keys.ts';
import { redisMissing, startRedis } from '../servers/redis.ts';
import { failsWith } from './checks.ts';

const patience = { timeout: 120_000 };
/** What a URL must have encoded, and a mistake would take apart. */
const secret = 'p@ss:w/secret%25?#';
const encoded = encodeURIComponent(secret);

type Environment = Readonly<Record<string, string>>;

/** As `conclave migrate` and then `conclave observe` would. */
async function letsIn(url: string, environment: Environment): Promise<void> {
  const schema = await schemaOfStore(url, { replicas: 1 }, environment);
  await schema?.make?.();
  await using store = await openStore(url, environment);
  assert.equal((await store.read('x')).leader, undefined);
  assert.doesNotMatch(store.description, /secret/);
}

async function refuses(url: string, environment: Environment, told: RegExp): Promise<void> {
  await using store = await openStore(url, environment);
  await assert.rejects(store.read('x'), failsWith('failed-precondition', {}, told));
}

describe('Variables of redis-cli', { skip: redisMissing ?? false }, () => {
  test('REDISCLI_AUTH is the password of a URL that has none', patience, async () => {
    const user = ['--user', 'worker', 'on', `>${secret}`, '~*', '&*', '+@all'];
    await using server = await startRedis(['--requirepass', secret, ...user], undefined, secret);
    const at = `127.0.0.1:${server.port}`;
    const environment = { REDISCLI_AUTH: secret };
    for (const url of [`redis://${at}`, `redis://worker@${at}/1`, `valkey://${at}?prefix=b`]) {
      await letsIn(url, environment);
    }
    await letsIn(`redis://:${encoded}@${at}`, { REDISCLI_AUTH: 'wrong' });
    await letsIn(`redis://${at}`, { VALKEYCLI_AUTH: 'wrong', ...environment });
    await letsIn(`valkey://${at}`, { VALKEYCLI_AUTH: secret, REDISCLI_AUTH: 'wrong' });
    await refuses(`redis://:wrong@${at}`, environment, /Check user and password/);
    await refuses(`redis://${at}`, { REDISCLI_AUTH: '', PGPASSWORD: secret }, /Check user and password/);
  });
});

describe('Variables of mysql and mariadb', { skip: peer('mariadbd').missing ?? false }, () => {
  test('MYSQL_PWD is the password of a URL that has none', patience, async () => {
    await using server = await startMariadb(peer('mariadbd').path ?? '');
    await server.sql(`CREATE USER worker@'127.0.0.1' IDENTIFIED BY '${secret}'`);
    await server.sql(`GRANT ALL ON ${server.database}.* TO worker@'127.0.0.1'`);
    const rest = `127.0.0.1:${server.port}/${server.database}`;
    const environment = { MYSQL_PWD: secret };
    await letsIn(`mysql://worker@${rest}`, environment);
    await letsIn(`mariadb://worker@${rest}?table=others`, environment);
    await letsIn(`mysql://worker:${encoded}@${rest}`, { MYSQL_PWD: 'wrong' });
    await letsIn(`mysql://worker@${rest}?password1=${encoded}`, { MYSQL_PWD: 'wrong' });
    await refuses(`mysql://worker:wrong@${rest}`, environment, /check user and password/);
    await refuses(`mysql://worker@${rest}`, { REDISCLI_AUTH: secret }, /set MYSQL_PWD/);
  });
});

describe('Variables of etcdctl', { skip: peer('etcd').missing ?? false }, () => {
  test('ETCDCTL_USER and ETCDCTL_PASSWORD log in, also for a user that the URL names', patience, async () => {
    await using server = await EtcdCluster.start(peer('etcd').path ?? '', 1, ['--bcrypt-cost=4']);
    const [member] = server.members;
    assert(member !== undefined);
    const { Auth } = services;
    await server.call(member, Auth.userAdd, AuthUserAddRequest.create({ name: 'root', password: secret }));
    await server.call(member, Auth.userGrantRole, { user: 'root', role: 'root' });
    await server.call(member, Auth.authEnable, {});
    const url = `etcd://${member.endpoint}`;
    for (const environment of [
      { ETCDCTL_USER: `root:${secret}` },
      { ETCDCTL_USER: 'root', ETCDCTL_PASSWORD: secret },
    ]) {
      await letsIn(url, environment);
      await letsIn(url.replace('//', '//root@'), environment);
    }
    await letsIn(url.replace('//', '//root@'), { ETCDCTL_PASSWORD: secret });
    await letsIn(url.replace('//', `//root:${encoded}@`), {
      ETCDCTL_USER: 'other',
      ETCDCTL_PASSWORD: 'wrong',
    });
    await refuses(
      url.replace('//', '//root:wrong@'),
      { ETCDCTL_USER: `root:${secret}` },
      /check user and password/,
    );
    await refuses(url, { ETCDCTL_PASSWORD: secret, MYSQL_PWD: secret }, /wants a login/);
  });
});

describe('Variables of nats', { skip: natsMissing ?? false }, () => {
  const started = async (name: string, configuration: string, login: NodeConnectionOptions) => {
    const folder = await mkdtemp(join(tmpdir(), 'conclave-nats-login-'));
    const file = (name: string) => join(folder, name);
    await writeFile(file(name), configuration);
    const server = await startNats(['--jetstream', '--config', file(name)], { login });
    const end = async () => {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    };
    return { url: `nats://127.0.0.1:${server.port}`, file, [Symbol.asyncDispose]: end };
  };

  test('NATS_USER with NATS_PASSWORD, and NATS_NKEY', patience, async () => {
    const { publicKey, seed } = natsKey();
    const users = `{ user: worker, password: ${JSON.stringify(secret)} }, { nkey: ${publicKey} }`;
    await using server = await started('conf', `authorization { users: [ ${users} ] }`, {
      user: 'worker',
      pass: secret,
    });
    const { url } = server;
    const login = { NATS_USER: 'worker', NATS_PASSWORD: secret };
    await letsIn(url, login);
    await letsIn(url.replace('//', `//worker:${encoded}@`), { NATS_USER: 'other', NATS_PASSWORD: 'wrong' });
    await refuses(url.replace('//', '//worker:wrong@'), login, /Check user and password/);
    await refuses(url, { NATS_USER: '', ETCDCTL_USER: `worker:${secret}` }, /Check user and password/);
    // As `nk -gen user` writes it.
    await writeFile(server.file('key'), `${seed}\n`);
    await letsIn(url, { NATS_NKEY: server.file('key') });
    await using store = natsStore({ url, nkeyFile: server.file('key') });
    assert.equal((await store.read('x')).leader, undefined);
    await refuses(url, { NATS_NKEY: server.file('conf') }, /holds no seed of a user's key/);
    const nowhere = { NATS_NKEY: server.file('none') };
    await refuses(url, nowhere, /Could not read '.*none': it does not exist.*nkeyFile, or NATS_NKEY/);
  });

  test('NATS_TOKEN, and NATS_USER alone', patience, async () => {
    const token = { token: secret };
    await using server = await started('conf', `authorization { token: ${JSON.stringify(secret)} }`, token);
    await letsIn(server.url, { NATS_TOKEN: secret });
    await letsIn(server.url, { NATS_USER: secret });
    await letsIn(server.url.replace('//', `//${encoded}@`), { NATS_TOKEN: 'wrong' });
    const { code, stdout, stderr } = await run(['observe', 'x', '--once', '--store', server.url], {
      environment: { NATS_TOKEN: secret },
    });
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout + stderr, /secret/);
  });

  test('NATS_CREDS', patience, async () => {
    const { configuration, file } = natsCredentials();
    const authenticator = credsAuthenticator(new TextEncoder().encode(file));
    await using server = await started('conf', configuration, { authenticator });
    await writeFile(server.file('creds'), file);
    await letsIn(server.url, { NATS_CREDS: server.file('creds') });
    await refuses(server.url, { NATS_CREDS: server.file('conf') }, /holds no JWT of a user/);
  });
});
