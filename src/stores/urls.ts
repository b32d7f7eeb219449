/**
 * A store by its URL, for programs that take one from their configuration. The driver that it needs is loaded then.
 *
 * Guarantees: credentials come from the URL or from the variables that the vendor's own tools read, and stand in no
 * message; a scheme, a part of the URL or a parameter that nothing knows is refused.
 *
 * Must not: know more of a store than how it is called; a new one is a line in `openers`.
 */
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import type { PostgresDialect } from './postgres.ts';
import { parseStoreUrl, type StoreUrl } from './store-url.ts';

type Environment = Readonly<Record<string, string | undefined>>;

type Opener = (url: StoreUrl, environment: Environment) => Promise<LeaseStore>;

const etcd: Opener = async (url, environment) => {
  const [user, password] = splitOnce(environment.ETCDCTL_USER ?? '', ':');
  const scheme = url.scheme === 'etcds' ? 'https' : 'http';
  const login =
    url.user === undefined && user !== ''
      ? { user, password: password ?? environment.ETCDCTL_PASSWORD }
      : url.login();
  return (await import('./etcd.ts')).etcdStore({
    endpoints: url.hosts(2379).map((host) => `${scheme}://${host}`),
    namespace: url.path(),
    ...login,
  });
};

const conclave: Opener = async (url, environment) => {
  const scheme = url.scheme === 'conclaves' ? 'https' : 'http';
  const [name, secret] = splitOnce(environment.CONCLAVE_USER ?? '', ':');
  const { user, password } = url.user === undefined ? { user: name, password: secret } : url.login();
  const endpoints = url.hosts(2379).map((host) => `${scheme}://${host}`);
  const namespace = url.path();
  const { conclaveStore } = await import('./conclave.ts');
  const credentials = user ? { username: user, password: password ?? '' } : {};
  return conclaveStore({ endpoints, ...credentials, ...(namespace !== undefined && { namespace }) });
};

const zookeeper: Opener = async (url) =>
  (await import('./zookeeper.ts')).zookeeperStore({
    servers: url.hosts(2181),
    path: url.path() === undefined ? undefined : `/${url.path()}`,
    ...url.login(),
  });

const consul: Opener = async (url, environment) =>
  (await import('./consul.ts')).consulStore({
    url: `${url.scheme === 'consuls' ? 'https' : 'http'}://${url.hosts(8500).join()}`,
    token: environment.CONSUL_HTTP_TOKEN,
    prefix: url.path() === undefined ? undefined : `${url.path()}/`,
    datacenter: url.parameter('datacenter'),
    namespace: url.parameter('namespace') ?? environment.CONSUL_NAMESPACE,
    partition: url.parameter('partition') ?? environment.CONSUL_PARTITION,
  });

const postgres: Opener = async (url) => {
  const [table, dialect] = [url.parameter('table'), url.parameter('dialect')];
  const { postgresStore } = await import('./postgres.ts');
  return postgresStore({ url: url.rest(), table, dialect: dialect as PostgresDialect | undefined });
};

const mysql: Opener = async (url) => {
  const table = url.parameter('table');
  return (await import('./mysql.ts')).mysqlStore({ url: url.rest('mysql'), table });
};

const redis: Opener = async (url) => {
  const prefix = url.parameter('prefix');
  const scheme = url.scheme.replace('valkey', 'redis');
  return (await import('./redis.ts')).redisStore({ url: url.rest(scheme), prefix });
};

const mongodb: Opener = async (url) => {
  const collection = url.parameter('collection');
  return (await import('./mongodb.ts')).mongodbStore({ url: url.rest(), collection });
};

const cassandra: Opener = async (url) => {
  const [keyspace, localDataCenter] = [url.path(), url.parameter('datacenter')];
  if (keyspace === undefined || localDataCenter === undefined) {
    const message = `A ${url.scheme} URL is like '${url.scheme}://host,host/keyspace?datacenter=name': ${keyspace === undefined ? 'the keyspace' : 'the parameter datacenter'} is missing.`;
    throw new ConclaveError('invalid-argument', message);
  }
  const { cassandraStore } = await import('./cassandra.ts');
  return cassandraStore({
    ...{ contactPoints: url.hosts(9042), localDataCenter, keyspace },
    ...url.login(),
    table: url.parameter('table'),
  });
};

const kubernetes: Opener = async (url) =>
  (await import('./kubernetes.ts')).kubernetesStore({
    namespace: url.authority === '' ? undefined : url.authority,
    prefix: url.parameter('prefix'),
  });

const openers: Readonly<Record<string, Opener>> = {
  conclave,
  conclaves: conclave,
  etcd,
  etcds: etcd,
  zk: zookeeper,
  zookeeper,
  consul,
  consuls: consul,
  dynamodb: async (url) =>
    (await import('./dynamodb.ts')).dynamodbStore({
      region: url.authority === '' ? undefined : url.authority,
      table: url.path(),
      prefix: url.parameter('prefix'),
      endpoint: url.parameter('endpoint'),
    }),
  s3: async (url) =>
    (await import('./s3.ts')).s3Store({
      bucket: url.authority,
      prefix: url.path() === undefined ? undefined : `${url.path()}/`,
      region: url.parameter('region'),
      endpoint: url.parameter('endpoint'),
    }),
  postgres,
  postgresql: postgres,
  mysql,
  mariadb: mysql,
  redis,
  rediss: redis,
  valkey: redis,
  valkeys: redis,
  nats: async (url) => {
    const bucket = url.parameter('bucket');
    return (await import('./nats.ts')).natsStore({ url: url.rest(), bucket });
  },
  mongodb,
  'mongodb+srv': mongodb,
  cassandra,
  scylla: cassandra,
  kubernetes,
  k8s: kubernetes,
};

/** The schemes of `openStore`, for help texts. */
export const storeSchemes: readonly string[] = Object.keys(openers);

/**
 * Opens a store by its URL: `postgres://user@host/database?table=…`, `etcd://a:2379,b:2379/namespace`,
 * `zk://a:2181,b:2181/path`, `consul://host:8500/prefix`, `dynamodb://region/table`, `s3://bucket/prefix`,
 * `redis://host:6379?prefix=…`, `nats://host:4222?bucket=…`, `mysql://user@host/database`, `mongodb://host/database`,
 * `cassandra://host,host/keyspace?datacenter=…`, `kubernetes://namespace`,
 * `conclave://a:2379,b:2379`. `environment`: where passwords and tokens may be, by the names that the vendors use.
 * @throws ConclaveError 'invalid-argument' for a URL that no store takes; 'unsupported' where its driver is missing.
 */
export async function openStore(url: string, environment: Environment = {}): Promise<LeaseStore> {
  const parsed = parseStoreUrl(url);
  const opener = Object.hasOwn(openers, parsed.scheme) ? openers[parsed.scheme] : undefined;
  if (opener === undefined) {
    const message = `No store is known for ${parsed.scheme}://. Known are ${storeSchemes.map((scheme) => `${scheme}://`).join(', ')}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  const store = await opener(parsed, environment);
  try {
    parsed.assertAllUsed();
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  return store;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
