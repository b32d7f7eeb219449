/** The table: its name, the CQL that makes it, and making it. */
import { ConclaveError } from '../../errors/index.ts';
import { checkNames } from '../../errors/option-names.ts';
import { documentStoreOptionNames } from '../documents/index.ts';
import { cassandraError } from './failures.ts';

/** A `Client` of cassandra-driver, or anything with its `execute`. */
export interface CassandraClient {
  execute(
    query: string,
    parameters?: readonly unknown[],
    options?: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }>;
}

export interface CassandraTableOptions {
  /** It must be there: how it is replicated is yours to say. Default 'conclave'. */
  readonly keyspace?: string | undefined;
  /** Default 'documents'. */
  readonly table?: string | undefined;
}

/** Of the store; where they say more than a table needs, they will do for that, too. */
export const cassandraOptionNames: readonly string[] = [
  ...documentStoreOptionNames,
  ...['client', 'contactPoints', 'localDataCenter', 'user', 'password'],
  ...['keyspace', 'table', 'serialConsistency'],
];

/** The CQL that makes the table, for migrations of your own. @throws 'invalid-argument' */
export function cassandraSchema(options: CassandraTableOptions = {}): string {
  checkNames("The options of Cassandra's table", options, cassandraOptionNames);
  return `CREATE TABLE IF NOT EXISTS ${tableName(options)} (kind text, name text, version text, content text, PRIMARY KEY ((kind, name)))`;
}

/** The CQL that makes the keyspace, with so many replicas in that datacenter. @throws 'invalid-argument' */
export function cassandraKeyspace(keyspace: string, datacenter: string, replicas: number): string {
  tableName({ keyspace });
  return `CREATE KEYSPACE IF NOT EXISTS ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', '${datacenter.replaceAll("'", "''")}': ${replicas}}`;
}

/**
 * Makes the table in a keyspace that is there; a table that is there stays as it is (false). Needs CREATE on the
 * keyspace, only where the table is missing.
 */
export async function createCassandraTable(
  client: CassandraClient,
  options: CassandraTableOptions = {},
): Promise<boolean> {
  const [keyspace = '', table = ''] = tableName(options).split('.');
  const look = 'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?';
  return await makeIfMissing(client, options, cassandraSchema(options), look, [keyspace, table]);
}

/** Makes the keyspace where it is missing; one that is there stays as it is (false). */
export async function createCassandraKeyspace(
  client: CassandraClient,
  keyspace: string,
  datacenter: string,
  replicas: number,
): Promise<boolean> {
  const schema = cassandraKeyspace(keyspace, datacenter, replicas);
  const look = 'SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?';
  return await makeIfMissing(client, { keyspace }, schema, look, [keyspace]);
}

/** Who may not make anything may still find it there. */
async function makeIfMissing(
  client: CassandraClient,
  options: CassandraTableOptions,
  schema: string,
  look: string,
  names: readonly string[],
): Promise<boolean> {
  const failed = { description: 'Cassandra', table: tableName(options), schema, changes: true };
  try {
    const { rows } = await client.execute(look, names, { prepare: true });
    if (rows.length > 0) return false;
    await client.execute(schema);
    return true;
  } catch (error) {
    throw cassandraError(error, failed);
  }
}

/** Unquoted names, so that Cassandra folds none of them. @throws 'invalid-argument' */
export function tableName({ keyspace = 'conclave', table = 'documents' }: CassandraTableOptions): string {
  for (const name of [keyspace, table]) {
    if (typeof name === 'string' && /^[a-z][a-z0-9_]{0,47}$/.test(name)) continue;
    const message = `keyspace and table must be up to 48 of a-z, 0-9 and '_', beginning with a letter, not ${JSON.stringify(name)}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  return `${keyspace}.${table}`;
}
