/** The table: its name, the CQL that makes it, and making it. */
import { ConclaveError } from '../../errors/index.ts';
import { checkNames } from '../../errors/option-names.ts';
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

/** The CQL that makes the table, for migrations of your own. @throws 'invalid-argument' */
export function cassandraSchema(options: CassandraTableOptions = {}): string {
  checkNames("The options of Cassandra's table", options, ['keyspace', 'table']);
  return `CREATE TABLE IF NOT EXISTS ${tableName(options)} (kind text, name text, version text, content text, PRIMARY KEY ((kind, name)))`;
}

/** Makes the table in a keyspace that is there; a table that is there stays as it is. Needs CREATE on the keyspace. */
export async function createCassandraTable(
  client: CassandraClient,
  options: CassandraTableOptions = {},
): Promise<void> {
  const schema = cassandraSchema(options);
  const failed = { description: 'Cassandra', table: tableName(options), schema, changes: true };
  await client.execute(schema).catch((error: unknown) => {
    throw cassandraError(error, failed);
  });
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
