/** What differs between databases: their SQL, and what their errors mean. */

/** The version of the fence table that this code reads and writes. */
export const tableVersion = 1;

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable';

export interface Statement {
  readonly text: string;
  readonly values: readonly (string | Uint8Array)[];
}

/** One row, by position. */
export type Row = readonly unknown[];

/** Runs one statement in the transaction. `signal`: gives up waiting where the driver can. */
export type Query = (statement: Statement, signal?: AbortSignal) => Promise<readonly Row[]>;

export interface TakeParameters {
  readonly resource: string;
  readonly election: string;
  readonly token: number;
  /** Unique for each transaction. */
  readonly attempt: string;
}

/** The fence row as it is within our transaction, after it was taken. */
export interface TakenRow {
  readonly election: string;
  readonly token: number;
  readonly version: number;
  readonly previousAttempt: string;
  /** What the database calls this transaction, where it says. */
  readonly transaction: string;
}

/** The SQL of the fence for those who write their own. */
export interface FenceSql {
  /** Makes the table where it does not exist. */
  readonly createTable: string;
  /**
   * To run first in a transaction, in this order; the last one gives the row `election, token, version, …`. Go on only
   * where `election` is yours, `token` is the one that you gave and `version` is 1; roll back otherwise.
   */
  readonly take: readonly string[];
}

/**
 * `conflict`: serialization failure or deadlock. `connection`: it is broken or cannot be had. `lock-timeout`: waited
 * too long for a lock. `refused`: any other answer of the database. `foreign`: no error of the database at all.
 */
export type Failure =
  | 'conflict'
  | 'connection'
  | 'lock-timeout'
  | 'missing-table'
  | 'other-table'
  | 'table-exists'
  | 'read-only'
  | 'disk-full'
  | 'disk-failed'
  | 'data-damaged'
  | 'refused'
  | 'foreign';

export interface Dialect {
  /** For messages: "PostgreSQL". */
  readonly name: string;
  /** The module with `migrate`, for messages. */
  readonly module: string;
  sql(table: string): FenceSql;
  take(table: string, parameters: TakeParameters): readonly Statement[];
  decodeTaken(row: Row): TakenRow;
  /**
   * Gives `attempt, previous_attempt` of the row once no other transaction holds it or is making it; to be rolled back.
   */
  readAttempts(table: string, resource: string): Statement;
  classify(error: unknown): Failure;
  /** Whether the database gave a statement up for lasting too long, by a bound that is not ours. Default: it has none. */
  isStatementTimeout?(error: unknown): boolean;
  /** A refused commit has certainly not taken effect. */
  readonly refusedCommitIsFinal: boolean;
  /** Marks the transaction, so that `isSame` recognises it. */
  mark(query: Query): Promise<void>;
  /** Whether the transaction that was marked is the one still open, and able to commit. */
  isSame(query: Query, taken: TakenRow): Promise<boolean>;
  /** Whether `query` runs in a transaction that somebody began. Without effect. */
  inTransaction(query: Query): Promise<boolean>;
}

/** For a database whose savepoints end with their transaction. */
export const savepointName = 'conclave_fence';
/** Of another name, so that it does not take the place of the former. */
export const probeName = 'conclave_probe';

/** `schema.table`, each part quoted. */
export function quoteTable(table: string, quote: '"' | '`'): string {
  return table
    .split('.')
    .map((part) => `${quote}${part}${quote}`)
    .join('.');
}

/** Drivers give text as strings or bytes. */
export function textOf(value: unknown): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value ?? '');
}

/** What a driver's error says of itself. */
export function errorFields(error: unknown): Readonly<Record<string, unknown>> {
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {};
}

/** Errors of sockets and of looking up hosts, by which drivers say that there is no connection. */
export const networkErrorCodes: readonly string[] = [
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'ENOENT'],
];
