/** Making the table of the PostgreSQL store, and the statements that both use. */
import { nodeRuntime, type Runtime } from '../../runtime/index.ts';
import { checkOptions } from '../documents/index.ts';
import { migrationBy, quoteTable, usualTable } from './failures.ts';
import {
  type ConnectedPostgres,
  connectPostgres,
  type PostgresClient,
  type PostgresPool,
} from './postgres-clients.ts';
import { classify } from './postgres-errors.ts';
import {
  checkTableOptions,
  dialectNames,
  PostgresTable,
  type PostgresTableOptions,
  type PostgresTablePlace,
} from './postgres-table.ts';
import { Statements, withinTime } from './statements.ts';

export interface PostgresMigrationOptions extends PostgresTableOptions {
  /** As for the store, of a user who may make tables. */
  readonly client?: PostgresClient | undefined;
  readonly url?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly runtime?: Runtime | undefined;
}

export const whereNames = ['client', 'url', 'table', 'dialect'];

/**
 * Makes the table where there is none; one that is there stays as it is (false). Any number of processes may do so at
 * once.
 * Needs CREATE on the schema, only where the table is missing. `timeoutMs`: for all of it, default 30000.
 * @throws 'data-incompatible': there is one of another version, or another table of that name.
 */
export async function migratePostgres(options: PostgresMigrationOptions): Promise<boolean> {
  const known = [...whereNames, 'timeoutMs', 'signal', 'runtime'];
  checkOptions('The options of migratePostgres', options, known);
  const { client, url, timeoutMs = 30_000, runtime = nodeRuntime(), signal } = options;
  const where = checkTableOptions(options);
  const { description, pool } = connectPostgres({ client, url }, dialectNames[where.dialect]);
  await using statements = statementsOn(description, pool, where, runtime);
  return await withinTime('Making the table', { runtime, timeoutMs, signal }, (within) =>
    new PostgresTable(statements, where).migrate(within),
  );
}

export function statementsOn(
  description: string,
  pool: ConnectedPostgres['pool'],
  { table, dialect }: PostgresTablePlace,
  runtime: Runtime,
): Statements<PostgresPool> {
  const migration = migrationBy('postgres', 'migratePostgres', {
    table: table === usualTable ? undefined : table,
    dialect: dialect === 'postgresql' ? undefined : dialect,
  });
  const passwordIn = 'PGPASSWORD';
  const grant = `GRANT SELECT, INSERT, UPDATE, DELETE ON ${quoteTable(table, '"')} TO its user`;
  return new Statements({
    service: { description, table, migration, grant, passwordIn },
    pool,
    classify,
    runtime,
  });
}
