import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { supplyNatsLogin, supplyPassword } from './credentials.ts';
import { parseStoreUrl } from './store-url.ts';
import { openStore, schemaOfStore, storeSchemes } from './urls.ts';

/** Every scheme, with all that its URL may say. No service need run: nothing is connected before it is used. */
const urls: Readonly<Record<string, readonly string[]>> = {
  conclave: ['conclave://127.0.0.1:2379', 'conclave://a,b:2380,[::1]/some/namespace'],
  conclaves: ['conclaves://user:pw@a:2379,b/namespace'],
  etcd: ['etcd://127.0.0.1', 'etcd://user:pass%20word@a:1,b:2/namespace'],
  etcds: ['etcds://a:2379'],
  zk: ['zk://a,b,c:2182/path'],
  zookeeper: ['zookeeper://user:password@a'],
  consul: ['consul://127.0.0.1', 'consul://127.0.0.1:8501/prefix?datacenter=dc1'],
  consuls: ['consuls://consul.example'],
  dynamodb: [
    'dynamodb://eu-central-1',
    'dynamodb://eu-central-1/table?prefix=p&endpoint=http://127.0.0.1:8000',
  ],
  s3: ['s3://bucket/prefix?region=eu-central-1', 's3://bucket?region=r&endpoint=http://127.0.0.1:9000'],
  postgres: ['postgres://user:pw@127.0.0.1:5432/database?table=t&dialect=cockroachdb'],
  postgresql: [
    'postgresql://127.0.0.1/database?sslmode=disable&ssl=false',
    'postgresql://127.0.0.1/database?sslnegotiation=direct&application_name=a&connect_timeout=5',
  ],
  mysql: ['mysql://user:pw@127.0.0.1/database?table=t'],
  mariadb: ['mariadb://127.0.0.1:3306/database'],
  redis: ['redis://:pw@127.0.0.1:6379?prefix=p', 'redis://127.0.0.1/2'],
  rediss: ['rediss://127.0.0.1'],
  valkey: ['valkey://127.0.0.1'],
  valkeys: ['valkeys://127.0.0.1'],
  mongodb: ['mongodb://user:pw@127.0.0.1:27017/base?collection=c&replicaSet=r'],
  cassandra: ['cassandra://user:pw@a,b:9043/keyspace?datacenter=dc1&table=t'],
  scylla: ['scylla://a/keyspace?datacenter=dc1'],
  nats: ['nats://user:pw@127.0.0.1:4222?bucket=b', 'nats://a,b'],
  tls: ['tls://user:pw@127.0.0.1:4222?bucket=b'],
};

for (const [scheme, examples] of Object.entries(urls)) {
  test(`${scheme}:// opens a store, and closes it`, async () => {
    for (const url of examples) {
      await using store = await openStore(url, {});
      assert.equal(typeof store.openSession, 'function');
      assert(!/pw|pass word|password/.test(store.description), store.description);
    }
  });
}

test('every scheme is tried here, or needs more than a URL', () => {
  const untried = storeSchemes.filter((scheme) => urls[scheme] === undefined);
  assert.deepEqual(
    untried.filter((scheme) => !['kubernetes', 'k8s', 'mongodb+srv'].includes(scheme)),
    [],
  );
});

test('what no store takes is refused, and no message shows a password', async () => {
  const refused = [
    'postgres',
    'gopher://user:secret@host',
    'etcd://user:secret@host:99999',
    'etcd://host/namespace?tls=secret',
    'consul://user:secret@host',
    'dynamodb://user:secret@eu-central-1',
    'conclave://host?x=secret',
    'zk://user:se%crt@host',
    'redis://:secret@host?prefix=',
    's3:///secret',
  ];
  for (const url of refused) {
    await assert.rejects(openStore(url, {}), (error: unknown) => {
      assert(ConclaveError.is(error, 'invalid-argument'), `${url}: ${String(error)}`);
      assert(!error.message.includes('secret'), error.message);
      return true;
    });
  }
});

test('a refusal says what the URL lacks, or may have', async () => {
  const refused = [
    ['zk://host?x=1', /"x".*It takes none/],
    ['s3://bucket?regoin=r', /"regoin".*Did you mean region\?/],
    ['s3://bucket?tls=r', /"tls".*Known: region, endpoint\./],
    ['redis://host?prefx=a', /"prefx".*Did you mean prefix\?/],
    ['valkeys://host/1?prefix=a&family=6', /"family".*Known: prefix\./],
    ['nats://host?buket=1', /"buket".*Did you mean bucket\?/],
    ['nats://host?bucket=a&tls=1', /"tls".*Known: bucket\./],
    ['postgres://host/base?sslmode=disable&tabel=t', /"tabel".*Did you mean table\?/],
    ['postgresql://host/base?table=t&dialct=cockroachdb', /"dialct".*Did you mean dialect\?/],
    ['postgres://host/base?sslmod=require', /"sslmod".*Did you mean sslmode\?/],
    ['postgres://host/base?sslcrl=a.pem', /"sslcrl", which is not supported: no driver takes a list/],
    ['zk://me@host', /log in to ZooKeeper.*zk:\/\/user:password@host:2181/],
    ['mysql://host/base?Table=t', /"Table".*Did you mean table\?/],
    ['mongodb://host/base?colection=c', /"colection".*Did you mean collection\?/],
    ['cassandra://host/keyspace', /parameter datacenter is missing/],
    ['scylla://host?datacenter=one', /scylla:\/\/.*keyspace is missing/],
  ] as const;
  for (const [url, message] of refused) {
    await assert.rejects(openStore(url), { code: 'invalid-argument', message });
  }
});

test('a user without a password is refused, with where it may stand', async () => {
  const message =
    /user "me" of etcd: set ETCDCTL_PASSWORD, or write it into the URL \(etcds:\/\/user:password@host\)/;
  const another = { ETCDCTL_USER: 'you:secret' };
  await assert.rejects(openStore('etcds://me@host', another), { code: 'invalid-argument', message });
  await assert.rejects(openStore('etcds://host', { ETCDCTL_USER: 'me' }), {
    code: 'invalid-argument',
    message,
  });
  const others = { ETCDCTL_USER: 'you', ETCDCTL_PASSWORD: 'secret' };
  await assert.rejects(openStore('etcds://me@host', others), {
    code: 'invalid-argument',
    message: /user "me" of etcd \(that of ETCDCTL_USER, who is another, is not sent\): set ETCDCTL_PASSWORD/,
  });
});

test('what a variable gives is what a driver gets, unless the URL says it', () => {
  const supplied = (text: string, password: string | undefined) => {
    const url = parseStoreUrl(text);
    supplyPassword(url, password, ['password1']);
    return url.rest();
  };
  assert.equal(supplied('mysql://me@host/base', 'a:/@%'), 'mysql://me:a%3A%2F%40%25@host/base');
  assert.equal(supplied('redis://host', 'b'), 'redis://:b@host');
  assert.equal(supplied('redis://host', ''), 'redis://host');
  for (const text of ['mysql://me:c@host/base', 'redis://:c@host', 'mysql://me@host/base?password1=c']) {
    assert.equal(supplied(text, 'b'), text);
  }
  const nats = (text: string, environment: Record<string, string>) => {
    const url = parseStoreUrl(text);
    return [supplyNatsLogin(url, environment), url.rest()];
  };
  const all = { NATS_USER: 'u', NATS_PASSWORD: 'p', NATS_CREDS: 'c', NATS_NKEY: 'k', NATS_TOKEN: 't' };
  assert.deepEqual(nats('nats://token@host', all), [{}, 'nats://token@host']);
  assert.deepEqual(nats('nats://host', all), [{}, 'nats://u:p@host']);
  assert.deepEqual(nats('nats://host', { ...all, NATS_USER: '' }), [{ credsFile: 'c' }, 'nats://host']);
  assert.deepEqual(nats('nats://host', { NATS_TOKEN: 't', NATS_NKEY: 'k' }), [
    { nkeyFile: 'k' },
    'nats://host',
  ]);
  assert.deepEqual(nats('nats://host', { NATS_TOKEN: 't:' }), [{}, 'nats://t%3A@host']);
});

test('a migration refuses what the store refuses', async () => {
  for (const url of ['nats://host?buket=1', 'postgres://host/base?tabel=t', 'mysql://host/base?tables=t']) {
    await assert.rejects(schemaOfStore(url), { code: 'invalid-argument', message: /Did you mean/ });
  }
});

test('what a driver gets is what is left', () => {
  const url = parseStoreUrl('postgres://me:p%40ss@[::1]:5432/base?table=t&sslmode=require');
  assert.equal(url.parameter('table'), 't');
  assert.equal(url.rest(), 'postgres://me:p%40ss@[::1]:5432/base?sslmode=require');
  url.assertAllUsed();
  assert.deepEqual(parseStoreUrl('zk://me:p%3Ass@a').login(), { user: 'me', password: 'p:ss' });
  assert.deepEqual(parseStoreUrl('zk://a,[::1]:7').hosts(2181), ['a:2181', '[::1]:7']);
});

test('a file that a URL names and that is not there is told of at once, as is TLS asked for wrongly', async () => {
  for (const [url, message] of [
    ['postgres://127.0.0.1:1/base?sslmode=verify-full&sslrootcert=/no/ca.pem', /\/no\/ca\.pem/],
    ['mongodb://127.0.0.1:1/base?tls=true&tlsCAFile=/no/ca.pem', /\/no\/ca\.pem/],
    ['mongodb://127.0.0.1:1/base?tsl=true', /tsl/],
    ['mysql://127.0.0.1:1/base?ssl=true', /write \?ssl=\{"rejectUnauthorized":true\}/],
  ] as const) {
    await using store = await openStore(url);
    await assert.rejects(store.read('x'), { code: 'invalid-argument', retryable: false, message });
  }
});
