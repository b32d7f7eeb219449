/**
 * What must be there before a store can be used, and making it: a table, a bucket, an index.
 *
 * Guarantees: what is there stays as it is; any number of processes may make it at once.
 *
 * Must not: connect before it is asked to make something; look whether what is there will do, which is the store's own
 * first look.
 */
import { nodeRuntime } from '../runtime/index.ts';
import type { CassandraStoreOptions } from './cassandra.ts';
import type { DynamodbStoreOptions } from './dynamodb.ts';
import type { Kept } from './mongodb/collection.ts';
import type { MongodbStoreOptions } from './mongodb.ts';
import type { MysqlMigrationOptions } from './mysql.ts';
import type { NatsStoreOptions } from './nats.ts';
import type { PostgresMigrationOptions } from './postgres.ts';
import type { S3StoreOptions } from './s3.ts';

export interface SchemaSettings {
  /** Of a keyspace or bucket that is made. Default 3. */
  readonly replicas?: number | undefined;
}

export interface StoreSchema {
  /** For messages: "the table conclave_documents". */
  readonly what: string;
  /** The same by hand: SQL, CQL, or a command of the vendor's own tool. */
  readonly text: string;
  /** Absent: it is the user's to make. False: it was there. */
  make?(): Promise<boolean>;
}

export async function ofPostgres(options: PostgresMigrationOptions): Promise<StoreSchema> {
  const { migratePostgres, postgresSchema } = await import('./postgres.ts');
  const { table = 'conclave_documents', dialect } = options;
  return {
    what: `the table ${table}`,
    text: statements(postgresSchema({ table, dialect })),
    make: () => migratePostgres(options),
  };
}

export async function ofMysql(options: MysqlMigrationOptions): Promise<StoreSchema> {
  const { migrateMysql, mysqlSchema } = await import('./mysql.ts');
  const { table = 'conclave_documents' } = options;
  return {
    what: `the table ${table}`,
    text: statements(mysqlSchema({ table })),
    make: () => migrateMysql(options),
  };
}

export async function ofDynamodb(options: DynamodbStoreOptions): Promise<StoreSchema> {
  const { createDynamodbTable, dynamodbCommands, loadDynamodb } = await import('./dynamodb/table.ts');
  const { region, endpoint, table = 'conclave' } = options;
  return {
    what: `the table ${table}`,
    text: `${dynamodbCommands(table).join('\n')}\n`,
    async make() {
      const { DynamoDBClient } = await loadDynamodb();
      const client = new DynamoDBClient({
        ...(region !== undefined && { region }),
        ...(endpoint !== undefined && { endpoint }),
      });
      try {
        return await createDynamodbTable(client, table);
      } finally {
        client.destroy();
      }
    },
  };
}

export async function ofCassandra(
  options: CassandraStoreOptions,
  { replicas = 3 }: SchemaSettings,
): Promise<StoreSchema> {
  const { cassandraKeyspace, cassandraSchema, createCassandraKeyspace, createCassandraTable } = await import(
    './cassandra/table.ts'
  );
  const { keyspace = 'conclave', table = 'documents', localDataCenter = '' } = options;
  const place = { keyspace, table };
  const texts = [cassandraKeyspace(keyspace, localDataCenter, replicas), cassandraSchema(place)];
  return {
    what: `the table ${keyspace}.${table}`,
    text: statements(texts),
    async make() {
      const { connectCassandra } = await import('./cassandra/connection.ts');
      const { cassandraError } = await import('./cassandra/failures.ts');
      const client = await connectCassandra(options).catch((error: unknown) => {
        const description = `Cassandra at ${options.contactPoints?.join(', ')}`;
        const whole = {
          description,
          table: `${keyspace}.${table}`,
          schema: texts.join('; '),
          changes: false,
        };
        throw cassandraError(error, whole);
      });
      try {
        await createCassandraKeyspace(client, keyspace, localDataCenter, replicas);
        return await createCassandraTable(client, place);
      } finally {
        await client.shutdown();
      }
    },
  };
}

export async function ofMongodb({
  url = '',
  collection: name = 'conclave',
}: MongodbStoreOptions): Promise<StoreSchema> {
  const quoted = JSON.stringify(name);
  return {
    what: `the collection ${name} with its index`,
    text: `db.createCollection(${quoted})
db.getCollection(${quoted}).createIndex({ forgetAt: 1 }, { name: 'forgetAt', expireAfterSeconds: 0 })
`,
    async make() {
      const { connect, hostsOf } = await import('./mongodb/connection.ts');
      const { lookAtServer, prepareCollection } = await import('./mongodb/collection.ts');
      const { explained } = await import('./mongodb/failures.ts');
      const where = `the collection ${name} of MongoDB at ${hostsOf(url)}`;
      const { client, close } = await connect(url);
      try {
        const collection = client.db().collection<Kept>(name);
        await lookAtServer(client.db(), where);
        // Where there is no collection the server says so, rather than no.
        const isThere = await collection.indexExists('forgetAt').catch(() => false);
        await prepareCollection(client.db(), collection, where);
        return !isThere;
      } catch (error) {
        throw explained(`Making ${where}`, error, 'unknown');
      } finally {
        await close();
      }
    },
  };
}

export async function ofNats(
  { bucket: name = 'conclave', ...access }: NatsStoreOptions,
  { replicas = 3 }: SchemaSettings,
): Promise<StoreSchema> {
  const { checkBucket } = await import('./nats/bucket.ts');
  const bucket = checkBucket(name);
  return {
    what: `the bucket ${bucket}`,
    text: `nats kv add ${bucket} --history 1 --storage file --replicas ${replicas}\n`,
    async make() {
      const { natsPlace } = await import('./nats/connection.ts');
      const { explained } = await import('./nats/failures.ts');
      const { createNatsBucket } = await import('./nats.ts');
      const { hosts, connect } = natsPlace(access);
      const { connection, close } = await connect(nodeRuntime().disk).catch((error: unknown) => {
        const context = { bucket, outcome: 'not-applied', opening: true } as const;
        throw explained(`Connecting to NATS at ${hosts.join(', ')}`, error, context);
      });
      try {
        return await createNatsBucket(connection, { bucket, replicas });
      } finally {
        await close();
      }
    },
  };
}

/** A bucket is not made: its owner, region, encryption and who may read it are nothing that could be guessed. */
export async function ofS3({ bucket }: S3StoreOptions): Promise<StoreSchema> {
  return { what: `the bucket ${bucket}`, text: `aws s3api create-bucket --bucket ${bucket}\n` };
}

function statements(texts: readonly string[]): string {
  return texts.map((text) => `${text};\n`).join('\n');
}
