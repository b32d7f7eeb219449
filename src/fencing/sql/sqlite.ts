/** The fence for SQLite, by Node's own `node:sqlite`. */
import type { DatabaseSync } from 'node:sqlite';
import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { FencedLeadership } from '../writer.ts';
import type { FenceSql } from './dialect.ts';
import { runFenced } from './fenced.ts';
import { runMigration } from './migrate.ts';
import {
  checkTable,
  type FenceTableOptions,
  type SqlFenceOptions,
  type TransactionFenceOptions,
} from './options.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { sqliteDriver, sqliteQuery } from './sqlite-driver.ts';
import { takeFenceIn } from './take.ts';

export type { FencedLeadership } from '../writer.ts';
export type { FenceSql, FenceTableOptions, SqlFenceOptions, TransactionFenceOptions };

/**
 * Runs `work`, which may be asynchronous, in a transaction that holds the fence of a resource (by default: of the
 * election), and commits only if no newer leader has written. Resolves to what the work returned; rolls back when it
 * throws, and throws that.
 *
 * In this order: `assertHeld()`; BEGIN IMMEDIATE, which waits for every other writer of the file (without blocking
 * the event loop, unless the handle has a `timeout` of its own); a lower token is refused, a higher one stored; the work;
 * a look whether the transaction is still that one; `assertHeld()`; COMMIT. Calls on one handle take turns. With
 * work that does nothing it shuts older leaders out at once.
 *
 * @throws 'stale-token': a newer leader has written; 'failed-precondition': the fence table is missing, belongs to
 * another election, or the work ended its transaction (outcome 'unknown'); 'data-incompatible': a table of another
 * version; 'not-leading' from `assertHeld()`; 'timeout', retryable: the database was locked too long; 'disk-full',
 * 'disk-failed', 'data-damaged'; 'aborted'; 'invalid-argument', 'unsupported' before any effect.
 *
 * Does not protect: writes that do not take the fence, among them those that other code makes on the same handle while
 * asynchronous work is waiting (they are in its transaction); what the work does outside of this transaction; files on
 * network file systems whose locks do not hold; `PRAGMA synchronous` below FULL at a power loss (NORMAL in WAL mode
 * may lose the last commits, and the fence with them). A process that is paused within its work holds up every other
 * writer of the file, and no timeout of SQLite ends that.
 */
export async function fenced<T>(
  db: DatabaseSync,
  leadership: FencedLeadership,
  work: (tx: DatabaseSync) => T | Promise<T>,
  options: SqlFenceOptions = {},
): Promise<T> {
  checkDatabase(db);
  return await runFenced(sqliteDriver(db, options?.runtime ?? nodeRuntime()), leadership, work, options);
}

/**
 * Takes the fence within a transaction that the caller has begun (best with BEGIN IMMEDIATE) and will commit, or roll
 * back when this throws.
 * @throws as `fenced`; 'failed-precondition' where no transaction is open.
 */
export async function takeFence(
  tx: DatabaseSync,
  leadership: FencedLeadership,
  options: TransactionFenceOptions = {},
): Promise<void> {
  checkDatabase(tx);
  const dialect = { ...sqliteDialect, inTransaction: async () => tx.isTransaction };
  await takeFenceIn(dialect, async (statement) => sqliteQuery(tx, statement), leadership, options);
}

/**
 * Makes the fence table where there is none; any number of processes may do so at once.
 * @throws 'data-incompatible': there is one of another version, or another table of that name.
 */
export async function migrate(db: DatabaseSync, options: FenceTableOptions = {}): Promise<void> {
  checkDatabase(db);
  await runMigration(sqliteDriver(db, options?.runtime ?? nodeRuntime()), options);
}

/** The SQL of the fence, for migrations and transactions of your own. @throws 'invalid-argument' */
export function fenceSql(table?: string): FenceSql {
  return sqliteDialect.sql(checkTable(table));
}

function checkDatabase(db: DatabaseSync): void {
  const usable =
    typeof db === 'object' && db !== null && typeof db.prepare === 'function' && 'isTransaction' in db;
  if (!usable)
    throw new ConclaveError('invalid-argument', 'The database must be a DatabaseSync of node:sqlite.');
  if (!db.isOpen) throw new ConclaveError('failed-precondition', 'The database is not open.');
}
