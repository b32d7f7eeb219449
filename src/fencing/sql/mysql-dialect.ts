/** The fence in MySQL and MariaDB. */
import {
  type Dialect,
  errorFields,
  type Failure,
  type FenceSql,
  networkErrorCodes,
  probeName,
  quoteTable,
  savepointName,
  tableVersion,
  textOf,
} from './dialect.ts';

/**
 * Bytes, since texts compare without regard to trailing spaces. First the write, which waits for the row and makes no
 * snapshot; so the snapshot of REPEATABLE READ, made by the first plain SELECT of the work, is newer than the wait.
 */
function sql(table: string): FenceSql {
  const name = quoteTable(table, '`');
  return {
    createTable: `CREATE TABLE IF NOT EXISTS ${name} (
  resource varbinary(1024) NOT NULL PRIMARY KEY,
  election varbinary(1024) NOT NULL,
  token bigint NOT NULL CHECK (token >= 0),
  attempt varbinary(64) NOT NULL DEFAULT '',
  previous_attempt varbinary(64) NOT NULL DEFAULT '',
  version int NOT NULL DEFAULT ${tableVersion}
) ENGINE = InnoDB`,
    take: [
      `INSERT INTO ${name} (resource, election, token, attempt)
VALUES (?, ?, CAST(? AS SIGNED), ?)
ON DUPLICATE KEY UPDATE
  token = GREATEST(token, CAST(? AS SIGNED)),
  previous_attempt = attempt,
  attempt = ?`,
      `SELECT election, CAST(token AS CHAR), CAST(version AS CHAR), previous_attempt
FROM ${name} WHERE resource = ? FOR UPDATE`,
    ],
  };
}

const numbers: Readonly<Record<number, Failure>> = {
  1213: 'conflict',
  // MariaDB with innodb_snapshot_isolation: the row has changed since the snapshot.
  1020: 'conflict',
  1205: 'lock-timeout',
  1146: 'missing-table',
  1049: 'missing-table',
  1054: 'other-table',
  1364: 'other-table',
  1290: 'read-only',
  1792: 'read-only',
  1836: 'read-only',
  1021: 'disk-full',
  // Too many connections, shutdown, killed, closed for being idle.
  1040: 'connection',
  1053: 'connection',
  1203: 'connection',
  1927: 'connection',
  4031: 'connection',
};

function classify(error: unknown): Failure {
  const { code, errno, fatal, message, sqlState } = errorFields(error);
  const text = String(code ?? '');
  const known = typeof errno === 'number' && text.startsWith('ER_') ? numbers[errno] : undefined;
  if (known !== undefined) return known;
  if (
    fatal === true ||
    /^(PROTOCOL_CONNECTION_LOST|CONNECTION_CLOSED)$/.test(text) ||
    networkErrorCodes.includes(text)
  )
    return 'connection';
  if (/closed state|connection is closed|pool is closed/i.test(String(message ?? ''))) return 'connection';
  return sqlState !== undefined || text.startsWith('ER_') ? 'refused' : 'foreign';
}

const bytes = (text: string) => Buffer.from(text, 'utf8');

export const mysqlDialect: Dialect = {
  name: 'MySQL or MariaDB',
  module: 'conclave/fencing/mysql',
  // The storage engine can fail after it has committed.
  refusedCommitIsFinal: false,
  sql,
  classify,
  take(table, { resource, election, token, attempt }) {
    const [write = '', read = ''] = sql(table).take;
    const [number, unique] = [String(token), bytes(attempt)];
    return [
      { text: write, values: [bytes(resource), bytes(election), number, unique, number, unique] },
      { text: read, values: [bytes(resource)] },
    ];
  },
  decodeTaken: ([election, token, version, previousAttempt]) => ({
    election: textOf(election),
    token: Number(textOf(token)),
    version: Number(textOf(version)),
    previousAttempt: textOf(previousAttempt),
    transaction: '',
  }),
  readAttempts: (table, resource) => ({
    text: `SELECT attempt, previous_attempt FROM ${quoteTable(table, '`')} WHERE resource = ? FOR UPDATE`,
    values: [bytes(resource)],
  }),
  async mark(query) {
    await query({ text: `SAVEPOINT ${savepointName}`, values: [] });
  },
  isSame: (query) => releasesSavepoint(query, savepointName),
  async inTransaction(query) {
    await query({ text: `SAVEPOINT ${probeName}`, values: [] });
    return await releasesSavepoint(query, probeName);
  },
};

/** A savepoint is gone where its transaction has ended, and outside of a transaction at once. */
async function releasesSavepoint(
  query: (statement: { text: string; values: [] }) => Promise<unknown>,
  name: string,
): Promise<boolean> {
  try {
    await query({ text: `RELEASE SAVEPOINT ${name}`, values: [] });
    return true;
  } catch (error) {
    if (errorFields(error).errno === 1305) return false;
    throw error;
  }
}
