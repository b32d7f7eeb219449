/** The fence in SQLite. */
import {
  type Dialect,
  errorFields,
  type Failure,
  type FenceSql,
  quoteTable,
  savepointName,
  tableVersion,
  textOf,
} from './dialect.ts';

function sql(table: string): FenceSql {
  const name = quoteTable(table, '"');
  return {
    createTable: `CREATE TABLE IF NOT EXISTS ${name} (
  resource TEXT NOT NULL PRIMARY KEY,
  election TEXT NOT NULL,
  token INTEGER NOT NULL CHECK (token >= 0),
  attempt TEXT NOT NULL DEFAULT '',
  previous_attempt TEXT NOT NULL DEFAULT '',
  version INTEGER NOT NULL DEFAULT ${tableVersion}
) WITHOUT ROWID`,
    take: [
      `INSERT INTO ${name} AS fence (resource, election, token, attempt)
VALUES (?, ?, CAST(? AS INTEGER), ?)
ON CONFLICT (resource) DO UPDATE SET
  token = max(fence.token, excluded.token),
  previous_attempt = fence.attempt,
  attempt = excluded.attempt
RETURNING election, CAST(token AS TEXT) AS token, CAST(version AS TEXT) AS version, previous_attempt`,
    ],
  };
}

/** By primary result code. */
const results: Readonly<Record<number, Failure>> = {
  5: 'lock-timeout',
  6: 'lock-timeout',
  8: 'read-only',
  10: 'disk-failed',
  11: 'data-damaged',
  13: 'disk-full',
  14: 'disk-failed',
  26: 'data-damaged',
};

function classify(error: unknown): Failure {
  const { code, errcode, message } = errorFields(error);
  if (code === 'ERR_INVALID_STATE') return 'connection';
  if (code !== 'ERR_SQLITE_ERROR') return 'foreign';
  const text = String(message ?? '');
  if (/no such table|unknown database/.test(text)) return 'missing-table';
  if (/no such column|has no column|ON CONFLICT clause does not match/.test(text)) return 'other-table';
  return results[Number(errcode) & 0xff] ?? 'refused';
}

export const sqliteDialect: Dialect = {
  name: 'SQLite',
  module: 'conclave/fencing/sqlite',
  refusedCommitIsFinal: true,
  sql,
  classify,
  take: (table, { resource, election, token, attempt }) => [
    { text: sql(table).take[0] ?? '', values: [resource, election, String(token), attempt] },
  ],
  decodeTaken: ([election, token, version, previousAttempt]) => ({
    election: textOf(election),
    token: Number(token),
    version: Number(version),
    previousAttempt: textOf(previousAttempt),
    transaction: '',
  }),
  readAttempts: (table, resource) => ({
    text: `SELECT attempt, previous_attempt FROM ${quoteTable(table, '"')} WHERE resource = ?`,
    values: [resource],
  }),
  async mark(query) {
    await query({ text: `SAVEPOINT ${savepointName}`, values: [] });
  },
  async isSame(query) {
    try {
      await query({ text: `RELEASE SAVEPOINT ${savepointName}`, values: [] });
      return true;
    } catch (error) {
      if (/no such savepoint/.test(String(errorFields(error).message))) return false;
      throw error;
    }
  },
  // Asked of the handle itself: see sqlite.ts.
  inTransaction: async () => true,
};
