/** What a driver's adapter offers: one connection for one transaction. */
import type { Dialect, Failure, IsolationLevel, Query } from './dialect.ts';

export interface Driver<Handle extends object> {
  readonly dialect: Dialect;
  /** What the user handed over: the pool, connection or database. */
  readonly key: object;
  /** It has one connection only, so transactions queue for it. */
  readonly exclusive: boolean;
  /** A transaction can be looked at after its connection broke. */
  readonly reopens: boolean;
  /** Its begin and commit wait for locks themselves, so their answers may take `lockTimeoutMs` longer. */
  readonly waitsToBegin?: boolean | undefined;
  /** Waits for a connection, or until the signal aborts. */
  open(signal: AbortSignal | undefined): Promise<Session<Handle>>;
  /** What the work gets: `handle`, closed with the scope. */
  guard(handle: Handle, scope: Scope): Handle;
  /** As the dialect's, with what this driver's own errors mean. */
  classify?(error: unknown): Failure;
}

export interface BeginOptions {
  readonly isolation: IsolationLevel | undefined;
  readonly lockTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface Session<Handle extends object> {
  readonly handle: Handle;
  query(...parameters: Parameters<Query>): ReturnType<Query>;
  /** @throws ConclaveError 'failed-precondition' where the connection is in a transaction already; it is left alone. */
  begin(options: BeginOptions): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** `broken`: nothing may use this connection again. Never throws. */
  release(broken: boolean): Promise<void>;
  /** The connection broke, as far as was heard. */
  readonly broken: boolean;
}

/** The time in which the work may use its handle. */
export interface Scope {
  readonly open: boolean;
  /** The connection broke meanwhile. */
  readonly broken: boolean;
}
