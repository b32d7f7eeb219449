// What the suite of SQL stores knows of one of them, and what its parts share.
import assert from 'node:assert/strict';
import type { LeaseStore } from '../../src/election/store.ts';
import { ConclaveError, type ErrorCode } from '../../src/errors/index.ts';
import type { Runtime } from '../../src/runtime/index.ts';
import type { DocumentDriver } from '../../src/stores/documents/index.ts';

export const patience = { timeout: 120_000 };

export interface SqlServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  sql(text: string): Promise<readonly Record<string, unknown>[]>;
}

export interface StoreOptions {
  readonly url?: string | undefined;
  readonly client?: object;
  readonly table?: string;
  readonly timeoutMs?: number;
  readonly runtime?: Runtime;
}

export interface UserClient {
  readonly client: object;
  /** Statements sent until now. */
  requests(): number;
  close(): Promise<void>;
}

export interface SqlStoreSubject {
  /** "PostgreSQL" */
  readonly name: string;
  /** The file under src/stores, its store and its migration. */
  readonly module: string;
  readonly storeName: string;
  readonly migrationName: string;
  readonly drivers: readonly string[];
  start(): Promise<SqlServer>;
  store(options: StoreOptions): LeaseStore;
  driver(options: StoreOptions): DocumentDriver;
  migrate(options: StoreOptions): Promise<boolean>;
  schema(options: { readonly table?: string }): readonly string[];
  /** Two, by different drivers or kinds of pools. */
  clients(url: string): readonly [UserClient, UserClient];
  /** Statements that make a user who may log in with this password, and nothing else. */
  makeUser(user: string, password: string): readonly string[];
  grant(table: string, user: string, rights: string): string;
  /** A moment before now, and one after. */
  readonly past: string;
  readonly future: string;
}

/** A server, and tables on it that nobody else has. */
export interface SqlScene {
  readonly subject: SqlStoreSubject;
  server(): SqlServer;
  /** Of a server whose default table is there; `table` is not. */
  fresh(): { readonly url: string; readonly table: string };
  /** @throws what the store refuses. */
  opening(options: StoreOptions): Promise<void>;
}

export function refusal(code: ErrorCode, message: RegExp, retryable = false): (error: unknown) => boolean {
  return (error) => {
    assert(ConclaveError.is(error), String(error));
    assert.match(error.message, message);
    assert.deepEqual([error.code, error.retryable], [code, retryable], error.message);
    return true;
  };
}
