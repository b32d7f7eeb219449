import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cassandraSchema, cassandraStore, createCassandraTable } from './cassandra.ts';
import { conclaveStore } from './conclave.ts';
import { consulStore } from './consul.ts';
import { dynamodbStore } from './dynamodb.ts';
import { etcdStore } from './etcd.ts';
import { kubernetesStore } from './kubernetes.ts';
import { memoryStore } from './memory.ts';
import { mongodbStore } from './mongodb.ts';
import { migrateMysql, mysqlSchema, mysqlStore } from './mysql.ts';
import { createNatsBucket, natsStore } from './nats.ts';
import { migratePostgres, postgresSchema, postgresStore } from './postgres.ts';
import { redisStore } from './redis.ts';
import { s3Store } from './s3.ts';
import { zookeeperStore } from './zookeeper.ts';

/** What each takes, but for the name that it does not know. */
const entries: Readonly<Record<string, readonly [(options: never) => unknown, object]>> = {
  cassandraStore: [cassandraStore, { contactPoints: ['127.0.0.1'], localDataCenter: 'dc1' }],
  conclaveStore: [conclaveStore, { endpoints: '127.0.0.1:1' }],
  'conclaveStore with a client': [conclaveStore, { client: {} }],
  consulStore: [consulStore, { url: 'http://127.0.0.1:1' }],
  dynamodbStore: [dynamodbStore, { table: 'conclave' }],
  etcdStore: [etcdStore, { endpoints: '127.0.0.1:1' }],
  kubernetesStore: [kubernetesStore, { namespace: 'default' }],
  memoryStore: [memoryStore, {}],
  mongodbStore: [mongodbStore, { url: 'mongodb://127.0.0.1:1' }],
  mysqlStore: [mysqlStore, { url: 'mysql://127.0.0.1:1/x' }],
  natsStore: [natsStore, { url: 'nats://127.0.0.1:1' }],
  postgresStore: [postgresStore, { url: 'postgres://127.0.0.1:1/x' }],
  redisStore: [redisStore, { url: 'redis://127.0.0.1:1' }],
  s3Store: [s3Store, { bucket: 'bucket' }],
  zookeeperStore: [zookeeperStore, { servers: '127.0.0.1:1' }],
  cassandraSchema: [cassandraSchema, {}],
  createCassandraTable: [(options: never) => createCassandraTable({} as never, options), {}],
  createNatsBucket: [(options: never) => createNatsBucket({} as never, options), {}],
  migrateMysql: [migrateMysql, { url: 'mysql://127.0.0.1:1/x' }],
  migratePostgres: [migratePostgres, { url: 'postgres://127.0.0.1:1/x' }],
  mysqlSchema: [mysqlSchema, {}],
  postgresSchema: [postgresSchema, {}],
};

for (const [name, [call, options]] of Object.entries(entries)) {
  test(`${name} refuses an option that it does not know, by its name`, async () => {
    const given = { ...options, nonsense: 1 } as never;
    await assert.rejects(async () => call(given), {
      code: 'invalid-argument',
      message: /^The options of .+ must not contain "nonsense"\. Known are .+\.$/,
    });
  });
}

test('a name that is nearly right is told', () => {
  assert.throws(() => etcdStore({ endpoints: '127.0.0.1:1', timeoutMS: 1 } as never), {
    message: 'The options of etcdStore must not contain "timeoutMS". Did you mean timeoutMs?',
  });
});

test('a text in the place of a duration is refused by every store, and shown as a text', () => {
  const stores = Object.entries(entries).filter(([name]) => /Store$/.test(name) && name !== 'memoryStore');
  assert(stores.length > 10);
  for (const [name, [call, options]] of stores) {
    const given = { ...options, timeoutMs: '5' } as never;
    assert.throws(() => call(given), { code: 'invalid-argument', message: /^timeoutMs .*"5"/ }, name);
  }
  const minTtlMs = '2000' as unknown as number;
  assert.throws(() => etcdStore({ endpoints: '127.0.0.1:1', minTtlMs }), {
    code: 'invalid-argument',
    message: /^minTtlMs "2000" is no floor/,
  });
});
