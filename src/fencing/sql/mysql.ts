/** The fence for MySQL and MariaDB, by the driver `mysql2` (promises or callbacks; pool or connection). */
import { ConclaveError } from '../../errors/index.ts';
import type { FencedLeadership } from '../writer.ts';
import type { FenceSql } from './dialect.ts';
import type { Driver } from './driver.ts';
import { runFenced } from './fenced.ts';
import { runMigration } from './migrate.ts';
import { mysqlDialect } from './mysql-dialect.ts';
import { type Mysql2Connection, type Mysql2Pool, mysql2Driver, mysql2Query } from './mysql2-driver.ts';
import {
  checkTable,
  type FenceTableOptions,
  type ServerFenceOptions,
  type TransactionFenceOptions,
} from './options.ts';
import { takeFenceIn } from './take.ts';

export type { FencedLeadership } from '../writer.ts';
export type { FenceSql, FenceTableOptions, ServerFenceOptions, TransactionFenceOptions };

/** A pool or connection of `mysql2/promise`, or of `mysql2`. */
export type MysqlDatabase =
  | { getConnection(): Promise<unknown> }
  | { promise(): object }
  | { beginTransaction(): Promise<unknown>; execute(sql: string): Promise<unknown> };

/** What the work gets: a promise connection of `mysql2`, in any case. */
export type MysqlTransaction<Database> = Database extends { promise(): infer Promised }
  ? MysqlTransaction<Promised>
  : Database extends { getConnection(): Promise<infer Connection> }
    ? Connection
    : Database;

/**
 * Runs `work` in a transaction that holds the fence of a resource (by default: of the election), and commits only if
 * no newer leader has written. Resolves to what the work returned; rolls back when it throws, and throws that.
 *
 * In this order: `assertHeld()`; begin; the resource's row is locked until the end, a lower token is refused, a higher
 * one stored; the work; a look whether the transaction is still that one; `assertHeld()`; commit. The fenced
 * transactions of a resource take effect one after the other, so the work sees all that older leaders committed. With
 * work that does nothing it shuts older leaders out at once. After a commit without an answer the fence row is read
 * over another connection of the pool to know whether it took effect; a single connection has none.
 *
 * The transaction runs with autocommit off: what the work does after a deadlock that it caught, or after DDL
 * (which commits at once, and is refused where it is recognised), is rolled back and reported. Timeouts are rounded up
 * to seconds; `idleTimeoutMs` is the session's `wait_timeout`, both put back afterwards.
 *
 * @throws 'stale-token': a newer leader has written; 'failed-precondition': the fence table is missing, belongs to
 * another election, or the transaction ended inside of the work (outcome 'unknown'); 'data-incompatible': a table of
 * another version; 'not-leading' from `assertHeld()`; 'version-conflict', retryable: a deadlock, also where the work met
 * it (see `attempts`); 'timeout', retryable: the fence was held too long; 'unavailable', retryable: no connection; the
 * same with outcome 'unknown': the commit's answer was lost and its fate cannot be told; 'aborted';
 * 'invalid-argument', 'unsupported' before any effect.
 *
 * Does not protect: writes to these tables that do not take the fence; tables of engines without transactions
 * (MyISAM); what the work does outside of this transaction; a database that loses what it committed (asynchronous
 * replication at a failover, innodb_flush_log_at_trx_commit other than 1 at a crash), whose fence goes back with it;
 * several primaries that do not certify against each other.
 */
export async function fenced<Database extends MysqlDatabase, T>(
  db: Database,
  leadership: FencedLeadership,
  work: (tx: MysqlTransaction<Database>) => T | Promise<T>,
  options: ServerFenceOptions = {},
): Promise<T> {
  const driver = driverOf(db) as unknown as Driver<MysqlTransaction<Database> & object>;
  return await runFenced(driver, leadership, work, options);
}

/**
 * Takes the fence within a transaction that the caller has begun and will commit, or roll back when this throws. For
 * transactions made by other libraries, and for a second resource in one transaction.
 * @throws as `fenced`; 'failed-precondition' where no transaction is open.
 */
export async function takeFence(
  tx: MysqlDatabase,
  leadership: FencedLeadership,
  options: TransactionFenceOptions = {},
): Promise<void> {
  const connection = promised(tx);
  if ('getConnection' in connection) throw notADatabase('the connection of an open transaction');
  await takeFenceIn(mysqlDialect, (statement) => mysql2Query(connection, statement), leadership, options);
}

/**
 * Makes the fence table where there is none; any number of processes may do so at once.
 * @throws 'data-incompatible': there is one of another version, or another table of that name.
 */
export async function migrate(db: MysqlDatabase, options: FenceTableOptions = {}): Promise<void> {
  await runMigration(driverOf(db), options);
}

/** The SQL of the fence, for migrations and transactions of your own. @throws 'invalid-argument' */
export function fenceSql(table?: string): FenceSql {
  return mysqlDialect.sql(checkTable(table));
}

const promises = new WeakMap<object, object>();

function driverOf(db: MysqlDatabase): Driver<Mysql2Connection> {
  return mysql2Driver(promised(db));
}

/** One promise wrapper for each object of callbacks, since transactions queue by it. */
function promised(db: MysqlDatabase): Mysql2Pool | Mysql2Connection {
  if (typeof db !== 'object' || db === null) throw notADatabase('a pool or connection of mysql2');
  const known = promises.get(db);
  if (known !== undefined) return known as Mysql2Pool | Mysql2Connection;
  const wrapped = 'promise' in db && typeof db.promise === 'function' ? (db.promise() as object) : db;
  if (!('execute' in wrapped) || !('query' in wrapped)) throw notADatabase('a pool or connection of mysql2');
  promises.set(db, wrapped);
  return wrapped as Mysql2Pool | Mysql2Connection;
}

function notADatabase(what: string): ConclaveError {
  return new ConclaveError('invalid-argument', `The database must be ${what}.`);
}
