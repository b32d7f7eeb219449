/** The fence in PostgreSQL. */
import { ConclaveError } from '../../errors/index.ts';
import {
  type Dialect,
  errorFields,
  type Failure,
  type FenceSql,
  networkErrorCodes,
  probeName,
  quoteTable,
  tableVersion,
  textOf,
} from './dialect.ts';

/**
 * The row is written in every transaction, also with an equal token: at REPEATABLE READ and above the snapshot is
 * older than the wait for the lock, and only a row that was written (not merely locked) makes the database refuse
 * such a transaction instead of letting it read the past.
 */
function sql(table: string): FenceSql {
  const name = quoteTable(table, '"');
  return {
    createTable: `CREATE TABLE IF NOT EXISTS ${name} (
  resource text COLLATE "C" PRIMARY KEY,
  election text NOT NULL,
  token bigint NOT NULL CHECK (token >= 0),
  attempt text NOT NULL DEFAULT '',
  previous_attempt text NOT NULL DEFAULT '',
  version integer NOT NULL DEFAULT ${tableVersion}
) WITH (fillfactor = 50)`,
    take: [
      `INSERT INTO ${name} AS fence (resource, election, token, attempt)
VALUES ($1, $2, $3::bigint, $4)
ON CONFLICT (resource) DO UPDATE SET
  token = GREATEST(fence.token, excluded.token),
  previous_attempt = fence.attempt,
  attempt = excluded.attempt
RETURNING election, token::text, version::text, previous_attempt, txid_current()::text`,
    ],
  };
}

const codes: Readonly<Record<string, Failure>> = {
  '40001': 'conflict',
  '40P01': 'conflict',
  '55P03': 'lock-timeout',
  '42P01': 'missing-table',
  '3F000': 'missing-table',
  '42703': 'other-table',
  '42P10': 'other-table',
  '42804': 'other-table',
  '42P07': 'table-exists',
  '42710': 'table-exists',
  '25006': 'read-only',
  '25P03': 'connection',
  '53300': 'connection',
  '53100': 'disk-full',
};
/** 08: of connections; 57P: shut down, crashed, starting, idle for too long. */
const connectionClasses = /^(08|57P)/;
/** The drivers' own errors carry no code, or a word as their code. */
const connectionMessages =
  /connection (terminated|ended|error)|not queryable|client was closed|timeout exceeded when trying to connect/i;

function classify(error: unknown): Failure {
  const { code, severity, severity_local, message, table_name, table } = errorFields(error);
  const text = String(code ?? '');
  if (severity !== undefined || severity_local !== undefined) {
    // Two sessions that create one table at the same time meet in the catalogue.
    if (text === '23505' && /^pg_/.test(String(table_name ?? table ?? ''))) return 'table-exists';
    return codes[text] ?? (connectionClasses.test(text) ? 'connection' : 'refused');
  }
  if (networkErrorCodes.includes(text) || /^CONNECT(ION)?_/.test(text)) return 'connection';
  return connectionMessages.test(String(message ?? '')) ? 'connection' : 'foreign';
}

export const postgresDialect: Dialect = {
  name: 'PostgreSQL',
  module: 'conclave/fencing/postgres',
  refusedCommitIsFinal: true,
  sql,
  classify,
  isStatementTimeout: (error) => errorFields(error).code === '57014',
  take: (table, { resource, election, token, attempt }) => [
    { text: sql(table).take[0] ?? '', values: [resource, election, String(token), attempt] },
  ],
  decodeTaken: ([election, token, version, previousAttempt, transaction]) => ({
    election: textOf(election),
    token: Number(token),
    version: Number(version),
    previousAttempt: textOf(previousAttempt),
    transaction: textOf(transaction),
  }),
  // A SELECT … FOR UPDATE would not wait for a row that the lost transaction inserted and may still commit.
  readAttempts: (table, resource) => ({
    text: `INSERT INTO ${quoteTable(table, '"')} AS fence (resource, election, token) VALUES ($1, '', 0)
ON CONFLICT (resource) DO UPDATE SET attempt = fence.attempt
RETURNING attempt, previous_attempt`,
    values: [resource],
  }),
  mark: async () => {},
  async isSame(query, taken) {
    try {
      const [row] = await query({ text: 'SELECT txid_current_if_assigned()::text', values: [] });
      return textOf(row?.[0]) === taken.transaction;
    } catch (error) {
      if (errorFields(error).code !== '25P02') throw error;
      throw new ConclaveError(
        'failed-precondition',
        'A statement of the work failed and the work returned nevertheless; PostgreSQL commits nothing of such a transaction. Use a savepoint around what may fail.',
        { cause: error },
      );
    }
  },
  async inTransaction(query) {
    try {
      await query({ text: `SAVEPOINT ${probeName}`, values: [] });
      await query({ text: `RELEASE SAVEPOINT ${probeName}`, values: [] });
      return true;
    } catch (error) {
      if (errorFields(error).code === '25P01') return false;
      throw error;
    }
  },
};
