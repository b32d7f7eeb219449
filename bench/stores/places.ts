/** The servers, each as the project's tests start it but for how it keeps what it is told: by the server's default. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { createCassandraTable } from '../../src/stores/cassandra.ts';
import { migrateMysql } from '../../src/stores/mysql.ts';
import { createNatsBucket } from '../../src/stores/nats.ts';
import { migratePostgres } from '../../src/stores/postgres.ts';
import { type PeerName, peer } from '../../test/peers.ts';
import { cassandraMissing, startCassandra } from '../../test/servers/cassandra.ts';
import { type DynamodbProgram, dynamodbMissing, startDynamodb } from '../../test/servers/dynamodb.ts';
import { startMariadb } from '../../test/servers/mariadb.ts';
import { mongodbMissing, startMongodb } from '../../test/servers/mongodb.ts';
import { connectNats, natsMissing, startNats } from '../../test/servers/nats.ts';
import { startPostgresql } from '../../test/servers/postgresql.ts';
import { redisMissing, startRedis } from '../../test/servers/redis.ts';
import { s3Missing, startS3 } from '../../test/servers/s3.ts';
import { startZookeeper, zookeeperMissing } from '../../test/servers/zookeeper.ts';
import { type Kind, System } from '../systems.ts';
import type { Where } from './client.ts';
import type { Protocol } from './wire.ts';

export interface Competitor {
  /** As `clientOf` knows it. */
  readonly system: string;
  readonly title: string;
  /** Its session cannot be shorter on this server. */
  readonly floorMs?: number;
  /** Whether a crash is noticed by the end of its connection, and no TTL plays a part. */
  readonly connectionBound?: boolean;
  /** Ours by another option: not held against ours. */
  readonly isOurs?: boolean;
  /** Nobody follows one that was killed, so that is not measured. */
  readonly staysForEver?: boolean;
}

export interface Place {
  readonly name: string;
  readonly title: string;
  /** undefined: in the process. */
  readonly protocol: Protocol | undefined;
  /** Beside ours. */
  readonly others: readonly Competitor[];
  readonly missing: () => string | undefined;
  /** For the line above the table. */
  readonly version: () => string;
  readonly start: () => Promise<Running>;
  /** A server that compiles what has run for a while is used for so long first, by all that are measured on it. */
  readonly warmUpMs?: number;
}

/** A server with what ours needs made already. */
export interface Running extends AsyncDisposable {
  readonly ports: readonly number[];
  /** With these ports, as of proxies, in place of its own. */
  where(ports: readonly number[]): Where;
}

const host = '127.0.0.1';

function running(
  server: AsyncDisposable,
  ports: readonly number[],
  where: (ports: readonly number[]) => Where,
): Running {
  return { ports, where, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const addresses = (ports: readonly number[]) => ports.map((port) => `${host}:${port}`).join(',');

async function startSystem(kind: Kind): Promise<Running> {
  const system = await System.start(kind);
  const ports = system.members.map(({ clientUrl }) => Number(new URL(clientUrl).port));
  return running(system, ports, (at) => ({ url: addresses(at) }));
}

async function postgres(): Promise<Running> {
  const server = await startPostgresql(peer('postgres').path ?? '', { fsync: 'on', max_connections: 300 });
  await migratePostgres({ url: server.url });
  const where = ([port]: readonly number[]) => ({
    url: `postgres://${server.user}@${host}:${port}/postgres`,
  });
  return running(server, [server.port], where);
}

async function mariadb(): Promise<Running> {
  const server = await startMariadb(peer('mariadbd').path ?? '');
  await server.sql('SET GLOBAL innodb_flush_log_at_trx_commit = 1');
  await migrateMysql({ url: server.url });
  const { user, database } = server;
  return running(server, [server.port], ([port]) => ({ url: `mysql://${user}@${host}:${port}/${database}` }));
}

async function redis(): Promise<Running> {
  const server = await startRedis();
  return running(server, [server.port], ([port]) => ({ url: `redis://${host}:${port}` }));
}

async function nats(): Promise<Running> {
  const server = await startNats();
  const connection = await connectNats(server.port);
  await createNatsBucket(connection, { replicas: 1 });
  await connection.close();
  return running(server, [server.port], ([port]) => ({ url: `nats://${host}:${port}` }));
}

async function zookeeper(): Promise<Running> {
  const ensemble = await startZookeeper(3, { defaults: true });
  const ports = ensemble.addresses.map((address) => Number(address.split(':')[1]));
  return running(ensemble, ports, (at) => ({
    url: addresses(at),
    servers: at.map((port) => addresses([port])),
  }));
}

async function mongodb(): Promise<Running> {
  const server = await startMongodb();
  const where = ([port]: readonly number[]) => ({
    url: `mongodb://${host}:${port}/?directConnection=true`,
    name: 'bench',
  });
  return running(server, [server.port], where);
}

async function s3(): Promise<Running> {
  const server = await startS3();
  const where = ([port]: readonly number[]) => ({ url: `http://${host}:${port}`, name: server.bucket });
  return running(server, [Number(new URL(server.url).port)], where);
}

async function cassandra(): Promise<Running> {
  const server = await startCassandra();
  const client = server.connect();
  await client.execute(
    "CREATE KEYSPACE conclave WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
  );
  await createCassandraTable(client);
  await client.shutdown();
  return running(server, [server.port], (at) => ({ url: addresses(at), name: server.localDataCenter }));
}

async function dynamodb(program: DynamodbProgram): Promise<Running> {
  const server = await startDynamodb(program);
  const where = ([port]: readonly number[]) => ({ url: `http://${host}:${port}`, name: server.table });
  return running(server, [Number(new URL(server.url).port)], where);
}

/** The first thing in what the program says that looks like one. */
function versionOf(name: PeerName, flag = '--version'): string {
  const { path = '' } = peer(name);
  try {
    return numberIn(execFileSync(path, [flag], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return 'unknown';
  }
}

function numberIn(text: string): string {
  return /\d+(\.\d+)+/.exec(text)?.[0] ?? 'unknown';
}

export function packageVersion(name: string): string {
  const path = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return `${name} ${(JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version}`;
}

/** What CONCLAVE_TEST_… names may be anywhere, and its requests are not counted. */
export const places: readonly Place[] = [
  {
    ...{ name: 'conclave', title: 'Conclave’s own three members', protocol: 'grpc', others: [] },
    missing: () => undefined,
    version: () => 'its own members',
    start: () => startSystem('conclave'),
  },
  {
    ...{ name: 'memory', title: 'Memory', protocol: undefined, others: [] },
    missing: () => undefined,
    version: () => '',
    start: async () => ({ ports: [], where: () => ({ url: '' }), async [Symbol.asyncDispose]() {} }),
  },
  {
    ...{ name: 'etcd', title: 'etcd, three members', protocol: 'grpc' },
    others: [{ system: 'etcd3', title: 'npm `etcd3`: its election' }],
    missing: () => peer('etcd').missing,
    version: () => `etcd ${versionOf('etcd')}, ${packageVersion('etcd3')}`,
    start: () => startSystem('etcd'),
  },
  {
    ...{ name: 'zookeeper', title: 'ZooKeeper, three servers', protocol: 'zookeeper' },
    // Twice its tickTime, which is the usual one.
    others: [{ system: 'zookeeper-recipe', title: 'ephemeral sequential nodes by hand', floorMs: 4000 }],
    missing: () => zookeeperMissing,
    version: () => `ZooKeeper ${numberIn(globSync('/usr/share/java/zookeeper-[0-9]*.jar').join())}`,
    ...{ start: zookeeper, warmUpMs: 30_000 },
  },
  {
    ...{ name: 'postgres', title: 'PostgreSQL', protocol: 'postgres' },
    others: [
      {
        ...{ system: 'conclave bound on postgres', title: 'Conclave with `releaseOnDisconnect`' },
        // So long that what is measured is not its end.
        ...{ floorMs: 5000, connectionBound: true, isOurs: true },
      },
      { system: 'advisory-locks', title: 'advisory locks by hand', connectionBound: true },
      { system: 'durable-row', title: 'one UPDATE with NOTIFY by hand: the floor', staysForEver: true },
    ],
    missing: () => peer('postgres').missing,
    version: () => `PostgreSQL ${versionOf('postgres')}`,
    start: postgres,
  },
  {
    ...{ name: 'mysql', title: 'MariaDB', protocol: 'mysql', others: [] },
    missing: () => peer('mariadbd').missing,
    version: () => `MariaDB ${versionOf('mariadbd')}`,
    start: mariadb,
  },
  {
    ...{ name: 'redis', title: 'Redis', protocol: 'redis' },
    others: [
      { system: 'redlock', title: 'npm `redlock`' },
      { system: 'redis-semaphore', title: 'npm `redis-semaphore`: its mutex' },
      { system: 'verrou', title: 'npm `@verrou/core`' },
    ],
    missing: () => redisMissing,
    version: () =>
      [
        `Redis ${versionOf('redis-server')}`,
        ...['redlock', 'redis-semaphore', '@verrou/core'].map(packageVersion),
      ].join(', '),
    start: redis,
  },
  {
    ...{ name: 'nats', title: 'NATS KV', protocol: 'nats', others: [] },
    missing: () => natsMissing,
    version: () => `NATS ${versionOf('nats-server')}`,
    start: nats,
  },
  {
    ...{ name: 'mongodb', title: 'MongoDB (SecantusDB)', protocol: 'mongodb', others: [] },
    missing: () => mongodbMissing,
    version: () => 'SecantusDB',
    start: mongodb,
  },
  {
    ...{ name: 'cassandra', title: 'Cassandra', protocol: 'cassandra', others: [] },
    missing: () => cassandraMissing,
    version: () => 'Cassandra',
    start: cassandra,
  },
  {
    ...{ name: 'dynamodb', title: 'DynamoDB (dynalite)', protocol: 'http', others: [] },
    missing: () => dynamodbMissing('dynalite'),
    version: () => packageVersion('dynalite'),
    start: () => dynamodb('dynalite'),
  },
  {
    ...{ name: 'dynamodb-local', title: 'DynamoDB Local', protocol: 'http', others: [] },
    missing: () => dynamodbMissing('DynamoDB Local'),
    version: () => 'DynamoDB Local',
    start: () => dynamodb('DynamoDB Local'),
  },
  {
    ...{ name: 's3', title: 'S3 (moto)', protocol: 'http', others: [] },
    missing: () => s3Missing,
    version: () => 'moto',
    start: s3,
  },
];

/** Ours first: the others are held against it. */
export function competitors(place: Place): readonly Competitor[] {
  const store = place.name === 'dynamodb-local' ? 'dynamodb' : place.name;
  return [{ system: `conclave on ${store}`, title: 'Conclave' }, ...place.others];
}
