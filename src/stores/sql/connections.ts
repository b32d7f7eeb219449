/** What the SQL stores need of a driver: connections from a pool, and statements on them. */

export type SqlValue = string | number | null | Uint8Array;

export interface Statement {
  readonly text: string;
  readonly values: readonly SqlValue[];
  /** The same text comes again and again: worth having prepared, where that is safe. */
  readonly recurs?: boolean;
}

/** One row, by position. */
export type Row = readonly unknown[];

export interface Answer {
  readonly rows: readonly Row[];
  /** Of a statement that changed rows: how many. */
  readonly changed: number;
  /** The connection is in a transaction after the statement, as far as the driver tells. */
  readonly inTransaction: boolean;
}

export interface SqlConnection {
  query(statement: Statement): Promise<Answer>;
  /** `broken`: nothing may use it again; where the driver can, what it waits for is given up. Idempotent. */
  release(broken: boolean): void;
}

export interface SqlPool extends AsyncDisposable {
  connect(): Promise<SqlConnection>;
}
