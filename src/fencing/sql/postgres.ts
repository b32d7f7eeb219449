/** The fence for PostgreSQL, by the drivers `pg` (Pool, Client) and `postgres`. */
import { ConclaveError } from '../../errors/index.ts';
import type { FencedLeadership } from '../writer.ts';
import type { FenceSql, Query } from './dialect.ts';
import type { Driver } from './driver.ts';
import { runFenced } from './fenced.ts';
import { runMigration } from './migrate.ts';
import {
  checkTable,
  type FenceTableOptions,
  type ServerFenceOptions,
  type TransactionFenceOptions,
} from './options.ts';
import { type PgClient, type PgPool, pgDriver, pgQuery } from './pg-driver.ts';
import { postgresDialect } from './postgres-dialect.ts';
import {
  type PostgresJs,
  type PostgresJsTransaction,
  postgresJsDriver,
  postgresJsQuery,
} from './postgres-js-driver.ts';
import { takeFenceIn } from './take.ts';

export type { FencedLeadership } from '../writer.ts';
export type { FenceSql, FenceTableOptions, ServerFenceOptions, TransactionFenceOptions };

/** A `Pool` or `Client` of `pg`, or the `sql` of `postgres`. */
export type PostgresDatabase =
  | { readonly totalCount: number; connect(): Promise<unknown> }
  | { query(text: string): Promise<unknown>; end(): Promise<void> }
  | { unsafe(text: string): PromiseLike<unknown>; begin: unknown };

/** What the work gets: a `PoolClient` or `Client` of `pg`, or the `TransactionSql` of `postgres`. */
export type PostgresTransaction<Database> = Database extends {
  begin: {
    // biome-ignore lint/suspicious/noExplicitAny: matched against the driver's own types, whatever they are.
    (work: (transaction: infer Transaction) => any): any;
    // biome-ignore lint/suspicious/noExplicitAny: as above.
    (options: string, work: any): any;
  };
}
  ? Transaction
  : Database extends {
        readonly totalCount: number;
        connect: {
          (): Promise<infer Client>;
          // biome-ignore lint/suspicious/noExplicitAny: as above.
          (callback: any): void;
        };
      }
    ? Client
    : Database;

/**
 * Runs `work` in a transaction that holds the fence of a resource (by default: of the election), and commits only if
 * no newer leader has written. Resolves to what the work returned; rolls back when it throws, and throws that.
 *
 * In this order: `assertHeld()`; begin; the resource's row is locked until the end, a lower token is refused, a higher
 * one stored; the work; a look whether the transaction is still that one and can commit; `assertHeld()`; commit. The
 * fenced transactions of a resource take effect one after the other, so the work sees all that older leaders committed.
 * With work that does nothing it shuts older leaders out at once. After a commit without an answer the fence row
 * is read over another connection to know whether it took effect; a single Client has none.
 *
 * @throws 'stale-token': a newer leader has written; 'failed-precondition': the fence table is missing, belongs to
 * another election, or the work ended its transaction (outcome 'unknown'); 'data-incompatible': a table of another
 * version; 'not-leading' from `assertHeld()`; 'version-conflict', retryable: serialization failure or deadlock, also
 * where the work met it (see `attempts`); 'timeout', retryable: the fence was held too long; 'unavailable', retryable:
 * no connection; the same with outcome 'unknown': the commit's answer was lost and its fate cannot be told; 'aborted';
 * 'invalid-argument', 'unsupported' before any effect.
 *
 * Does not protect: writes to these tables that do not take the fence; what the work does outside of this
 * transaction; a database that loses what it committed (asynchronous replication at a failover, synchronous_commit =
 * off at a crash), whose fence goes back with it.
 */
export async function fenced<Database extends PostgresDatabase, T>(
  db: Database,
  leadership: FencedLeadership,
  work: (tx: PostgresTransaction<Database>) => T | Promise<T>,
  options: ServerFenceOptions = {},
): Promise<T> {
  const driver = driverOf(db) as unknown as Driver<PostgresTransaction<Database> & object>;
  return await runFenced(driver, leadership, work, options);
}

/**
 * Takes the fence within a transaction that the caller has begun and will commit, or roll back when this throws. For
 * transactions made by other libraries, and for a second resource in one transaction.
 * @throws as `fenced`; 'failed-precondition' where no transaction is open.
 */
export async function takeFence(
  tx:
    | PostgresDatabase
    | { query(text: string): Promise<unknown> }
    | { unsafe(text: string): PromiseLike<unknown> },
  leadership: FencedLeadership,
  options: TransactionFenceOptions = {},
): Promise<void> {
  const query: Query | undefined = isPostgresJs(tx)
    ? (statement) => postgresJsQuery(tx, statement)
    : isPgClient(tx) && !('totalCount' in tx)
      ? (statement) => pgQuery(tx, statement)
      : undefined;
  if (query === undefined) throw notADatabase('the client of an open transaction');
  await takeFenceIn(postgresDialect, query, leadership, options);
}

/**
 * Makes the fence table where there is none; any number of processes may do so at once.
 * @throws 'data-incompatible': there is one of another version, or another table of that name.
 */
export async function migrate(db: PostgresDatabase, options: FenceTableOptions = {}): Promise<void> {
  await runMigration(driverOf(db) as Driver<object>, options);
}

/** The SQL of the fence, for migrations and transactions of your own. @throws 'invalid-argument' */
export function fenceSql(table?: string): FenceSql {
  return postgresDialect.sql(checkTable(table));
}

function driverOf(db: PostgresDatabase): Driver<PgClient> | Driver<PostgresJsTransaction> {
  if (isPostgresJs(db) && 'begin' in db && typeof db.begin === 'function')
    return postgresJsDriver(db as unknown as PostgresJs);
  if (isPgClient(db) && typeof (db as { connect?: unknown }).connect === 'function')
    return pgDriver(db as PgClient | PgPool);
  throw notADatabase('a Pool or Client of pg, or the sql of postgres');
}

function isPostgresJs(db: unknown): db is PostgresJsTransaction {
  return typeof db === 'function' && 'unsafe' in db && typeof db.unsafe === 'function';
}

function isPgClient(db: unknown): db is PgClient {
  return typeof db === 'object' && db !== null && 'query' in db && typeof db.query === 'function';
}

function notADatabase(what: string): ConclaveError {
  return new ConclaveError('invalid-argument', `The database must be ${what}.`);
}
