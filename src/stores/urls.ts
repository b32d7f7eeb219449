/**
 * A store by its URL, for programs that take one from their configuration. The driver that it needs is loaded then.
 *
 * Guarantees: credentials come from the URL or from the variables that the vendor's own tools read, and stand in no
 * message; a scheme, a part of the URL or a parameter that nothing knows is refused; where a driver may know it, one that looks like ours.
 *
 * Must not: know more of a store than how it is called; a new one is a line in `schemes`.
 */
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import {
  conclaveLogin,
  type Environment,
  etcdLogin,
  supplyNatsLogin,
  supplyPassword,
} from './credentials.ts';
import type { PostgresDialect } from './postgres.ts';
import type { SchemaSettings, StoreSchema } from './schemas.ts';
import { parseStoreUrl, type StoreUrl } from './store-url.ts';

export type { SchemaSettings, StoreSchema };

type Opener = (url: StoreUrl, environment: Environment) => Promise<LeaseStore>;

interface Scheme {
  readonly open: Opener;
  /** Absent: nobody need make anything. */
  schema?(url: StoreUrl, settings: SchemaSettings, environment: Environment): Promise<StoreSchema>;
}

const schemas = () => import('./schemas.ts');

const etcd: Opener = async (url, environment) => {
  const scheme = url.scheme === 'etcds' ? 'https' : 'http';
  return (await import('./etcd.ts')).etcdStore({
    endpoints: url.hosts(2379).map((host) => `${scheme}://${host}`),
    namespace: url.path(),
    ...etcdLogin(url, environment),
  });
};

const conclave: Opener = async (url, environment) => {
  const scheme = url.scheme === 'conclaves' ? 'https' : 'http';
  const { user, password } = conclaveLogin(url, environment);
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

const noRevocations =
  'no driver takes a list of revoked certificates from a URL. Leave it out, or give postgresStore a client whose ssl has a crl';

const postgresAt = (url: StoreUrl) => {
  const [table, dialect] = [url.parameter('table'), url.parameter('dialect')];
  // Drivers go on without them.
  for (const name of ['sslcrl', 'sslcrldir']) url.refuse(name, noRevocations);
  // Without TLS the driver says nothing of it.
  const rest = url.rest(url.scheme, ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey']);
  return { url: rest, table, dialect: dialect as PostgresDialect | undefined };
};

const postgres: Scheme = {
  open: async (url) => (await import('./postgres.ts')).postgresStore(postgresAt(url)),
  schema: async (url) => (await schemas()).ofPostgres(postgresAt(url)),
};

const mysqlAt = (url: StoreUrl, environment: Environment) => {
  supplyPassword(url, environment.MYSQL_PWD, ['password1', 'passwordSha1']);
  const table = url.parameter('table');
  return { url: url.rest('mysql'), table };
};

const mysql: Scheme = {
  open: async (url, environment) => (await import('./mysql.ts')).mysqlStore(mysqlAt(url, environment)),
  schema: async (url, _settings, environment) => (await schemas()).ofMysql(mysqlAt(url, environment)),
};

const redis: Opener = async (url, environment) => {
  const { REDISCLI_AUTH, VALKEYCLI_AUTH } = environment;
  supplyPassword(url, (url.scheme.startsWith('valkey') && VALKEYCLI_AUTH) || REDISCLI_AUTH);
  const prefix = url.parameter('prefix');
  const scheme = url.scheme.replace('valkey', 'redis');
  return (await import('./redis.ts')).redisStore({ url: url.withoutParameters(scheme), prefix });
};

const mongodbAt = (url: StoreUrl) => {
  const collection = url.parameter('collection');
  return { url: url.rest(), collection };
};

const mongodb: Scheme = {
  open: async (url) => (await import('./mongodb.ts')).mongodbStore(mongodbAt(url)),
  schema: async (url) => (await schemas()).ofMongodb(mongodbAt(url)),
};

const cassandraAt = (url: StoreUrl) => {
  const [keyspace, localDataCenter] = [url.path(), url.parameter('datacenter')];
  if (keyspace === undefined || localDataCenter === undefined) {
    const message = `A ${url.scheme} URL is like '${url.scheme}://host,host/keyspace?datacenter=name': ${keyspace === undefined ? 'the keyspace' : 'the parameter datacenter'} is missing.`;
    throw new ConclaveError('invalid-argument', message);
  }
  return {
    ...{ contactPoints: url.hosts(9042), localDataCenter, keyspace },
    ...url.login(),
    table: url.parameter('table'),
  };
};

const cassandra: Scheme = {
  open: async (url) => (await import('./cassandra.ts')).cassandraStore(cassandraAt(url)),
  schema: async (url, settings) => (await schemas()).ofCassandra(cassandraAt(url), settings),
};

const dynamodbAt = (url: StoreUrl) => ({
  region: url.authority === '' ? undefined : url.authority,
  table: url.path(),
  prefix: url.parameter('prefix'),
  endpoint: url.parameter('endpoint'),
});

const dynamodb: Scheme = {
  open: async (url) => (await import('./dynamodb.ts')).dynamodbStore(dynamodbAt(url)),
  schema: async (url) => (await schemas()).ofDynamodb(dynamodbAt(url)),
};

const s3At = (url: StoreUrl) => ({
  bucket: url.authority,
  prefix: url.path() === undefined ? undefined : `${url.path()}/`,
  region: url.parameter('region'),
  endpoint: url.parameter('endpoint'),
});

const s3: Scheme = {
  open: async (url) => (await import('./s3.ts')).s3Store(s3At(url)),
  schema: async (url) => (await schemas()).ofS3(s3At(url)),
};

const natsAt = (url: StoreUrl, environment: Environment) => {
  const bucket = url.parameter('bucket');
  const files = supplyNatsLogin(url, environment);
  return { url: url.withoutParameters(), bucket, ...files };
};

const nats: Scheme = {
  open: async (url, environment) => (await import('./nats.ts')).natsStore(natsAt(url, environment)),
  schema: async (url, settings, environment) => (await schemas()).ofNats(natsAt(url, environment), settings),
};

const kubernetes: Opener = async (url) =>
  (await import('./kubernetes.ts')).kubernetesStore({
    namespace: url.authority === '' ? undefined : url.authority,
    prefix: url.parameter('prefix'),
  });

const schemes: Readonly<Record<string, Scheme>> = {
  conclave: { open: conclave },
  conclaves: { open: conclave },
  etcd: { open: etcd },
  etcds: { open: etcd },
  zk: { open: zookeeper },
  zookeeper: { open: zookeeper },
  consul: { open: consul },
  consuls: { open: consul },
  dynamodb,
  s3,
  postgres,
  postgresql: postgres,
  mysql,
  mariadb: mysql,
  redis: { open: redis },
  rediss: { open: redis },
  valkey: { open: redis },
  valkeys: { open: redis },
  nats,
  // As NATS itself writes that it is to be TLS from the start or not at all.
  tls: nats,
  mongodb,
  'mongodb+srv': mongodb,
  cassandra,
  scylla: cassandra,
  kubernetes: { open: kubernetes },
  k8s: { open: kubernetes },
};

/** The schemes of `openStore`, for help texts. */
export const storeSchemes: readonly string[] = Object.keys(schemes);

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
  const store = await schemeOf(parsed).open(parsed, environment);
  try {
    parsed.assertAllUsed();
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  return store;
}

/**
 * What must be there before the store of this URL can be used; undefined: nothing that somebody must make. Connects to
 * nothing. `environment`, and @throws, as `openStore`.
 */
export async function schemaOfStore(
  url: string,
  settings: SchemaSettings = {},
  environment: Environment = {},
): Promise<StoreSchema | undefined> {
  const parsed = parseStoreUrl(url);
  const schema = await schemeOf(parsed).schema?.(parsed, settings, environment);
  if (schema !== undefined) parsed.assertAllUsed();
  return schema;
}

function schemeOf({ scheme }: StoreUrl): Scheme {
  const found = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  if (found !== undefined) return found;
  const message = `No store is known for ${scheme}://. Known are ${storeSchemes.map((one) => `${one}://`).join(', ')}.`;
  throw new ConclaveError('invalid-argument', message);
}
