/**
 * The contract between the election loop and a store. One small interface for every store: the loop owns time,
 * validity, retries of ambiguous answers and events; a store owns one session, and names acquired with it.
 */
import type { StoreTransaction, StoreTransactionResult } from './transaction.ts';

export type {
  StoreCompare,
  StoreCompareResult,
  StoreEntry,
  StoreKey,
  StoreOperation,
  StoreOperationResult,
  StoreTransaction,
  StoreTransactionResult,
} from './transaction.ts';
export { checkTransaction, keyBytes } from './transaction.ts';

export interface StoreCapabilities {
  /** `linearizable`: tokens and exclusion hold under the deployment named in `note`. `advisory`: they can fail. */
  readonly consistency: 'linearizable' | 'advisory';
  /** Under which deployment the above is true, in words. */
  readonly note: string;
  /** Tokens keep rising although the records of an election were deleted by an outsider. */
  readonly tokenSurvivesDeletion: boolean;
  readonly watch: 'native' | 'poll';
  /** Requests per minute of one idle waiter, where `watch` is 'poll'. */
  readonly pollRequestsPerMinute?: number;
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
  /** TTLs are rounded up to a multiple of this. */
  readonly ttlResolutionMs: number;
  /** Who waits learns that a lease ran out at most so long after it did, while the store answers. */
  readonly expiryLateMs: number;
  /** Waiters lead in the order in which they came (within one priority). */
  readonly orderedWaiters: boolean;
  /** A session can end with its connection (`releaseOnDisconnect`). */
  readonly connectionBound: boolean;
  /** `transfer` is offered. */
  readonly handOff: boolean;
  /** `recordTtlMs` is honoured; otherwise records stay for ever. */
  readonly recordsExpire: boolean;
  /** Sessions offer `transact`. */
  readonly transactions: boolean;
}

export interface LeaseStore extends AsyncDisposable {
  /** Shown in messages: "conclave at 127.0.0.1:2379". */
  readonly description: string;
  readonly capabilities: StoreCapabilities;

  /**
   * Opens a session that lives for `ttlMs` from when the store handled this; the caller takes its clock before.
   * Resolves to a session whose `ttlMs` is what the store granted (at least what was asked).
   */
  openSession(options: SessionOptions): Promise<StoreSession>;

  /** Who leads now; linearizable where `capabilities.consistency` is. */
  read(name: string, options?: StoreCallOptions): Promise<ElectionState>;

  /**
   * The state now, then again after each change (changes in between may be skipped, the last one never). Fails with a
   * retryable error where the store cannot be reached for a while, so that whoever watches knows, and begins anew.
   */
  watch(name: string, options: { readonly signal: AbortSignal }): AsyncIterable<ElectionState>;

  /**
   * Every election whose name begins with `prefix` (the empty one: all), by name, in one stream: first all that there
   * are (also where there are none), then again and again those that changed. Of each, changes in between may be
   * skipped, the last one never. An election of which nothing is left is shown once more, without leader, waiters and
   * record. Present where the store can do that at the cost of one watch.
   */
  watchAll?(
    prefix: string,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<ReadonlyMap<string, ElectionState>>;

  /** Where this election's record is, as the service's own tools show it, for messages: `the key "a/b/record"`. */
  recordPlace?(name: string): string;
}

export interface StoreCallOptions {
  readonly signal?: AbortSignal;
  /** A bound on this call alone. On expiry: ConclaveError 'timeout', outcome 'unknown' for a write. */
  readonly timeoutMs?: number;
}

export interface SessionOptions extends StoreCallOptions {
  readonly ttlMs: number;
  /** Unique for each process start. */
  readonly holder: string;
  /** Present: bind the session to its connection (only where `capabilities.connectionBound`). */
  readonly releaseOnDisconnect?: { readonly graceMs: number };
}

/**
 * One TTL for any number of names. Dispose revokes it: all its names are released at once. On a session that is over,
 * `acquire` and `renew` throw 'lease-lost'; the calls that carry a token throw it or return false.
 */
export interface StoreSession extends AsyncDisposable {
  readonly id: string;
  readonly holder: string;
  /** As granted. */
  readonly ttlMs: number;

  /** Extends the session by `ttlMs` from when the store handles it. @throws 'lease-lost' when it is gone for good. */
  renew(options?: StoreCallOptions): Promise<void>;

  /**
   * One attempt, idempotent for a session and name: after an ambiguous failure simply call it again. `waiting`
   * leaves this session's place in the queue (ordered stores) until `withdraw`.
   */
  acquire(name: string, options: AcquireOptions): Promise<AcquireOutcome>;

  /**
   * Resolves when another `acquire` may succeed (also when it became free before this call, or was handed to this
   * session), or something else worth a look happened. May wake in vain. Settles when the signal aborts.
   * A store that saw this session be given the leadership may say so at once, as `acquire` would.
   */
  waitForTurn(
    name: string,
    outcome: AcquireOutcome & { readonly status: 'waiting' },
    options: { readonly signal: AbortSignal },
    // biome-ignore lint/suspicious/noConfusingVoidType: a store that has nothing to say resolves with nothing.
  ): Promise<AcquiredOutcome | void>;

  /** Gives up the place in the queue. Idempotent. A leadership, if it has come to one, stays: release that. */
  withdraw(name: string, options?: StoreCallOptions): Promise<void>;

  /**
   * Ends the leadership with this token, if it is still that one; `record`, if given, is written in the same step.
   * Idempotent: false where the token was no longer the current one. The place in the queue goes too. A store may
   * make the first of those who wait the leader in the same step; never with a token that is not current.
   */
  release(name: string, token: number, options?: StoreCallOptions & RecordOptions): Promise<boolean>;

  /**
   * Hands the leadership to a waiting holder, who gets a new, higher token, in one step; that session's next
   * `acquire` tells. The token is looked at first: with one that is not current, nothing throws.
   * @throws 'target-not-waiting' (nothing changed); 'unsupported' where not `capabilities.handOff`.
   * Returns false where the token was no longer the current one.
   */
  transfer(
    name: string,
    token: number,
    toHolder: string,
    options?: StoreCallOptions & RecordOptions,
  ): Promise<boolean>;

  /** Replaces the public metadata of this leadership. False: the token is no longer current. */
  proclaim(name: string, token: number, metadata: string, options?: StoreCallOptions): Promise<boolean>;

  /**
   * Writes the election's record: a small value without a lease, which outlives sessions. Guarded by the token.
   * False: the token is no longer current.
   */
  writeRecord(
    name: string,
    token: number,
    record: Uint8Array,
    options?: StoreCallOptions & RecordLife,
  ): Promise<boolean>;

  /**
   * A transaction on the store's own keys that is carried out only while the token is the current one, looked at in
   * the same step. undefined: it is not, and nothing was done. Not idempotent: after a failure with outcome 'unknown'
   * it may have been carried out. Present where `capabilities.transactions`.
   * @throws 'invalid-argument' for a malformed one, and for keys among which the store keeps its elections.
   */
  transact?(
    name: string,
    token: number,
    transaction: StoreTransaction,
    options?: StoreCallOptions,
  ): Promise<StoreTransactionResult | undefined>;

  /** Present on a session bound to its connection. */
  readonly connection?: SessionConnection;
}

export interface RecordLife {
  /**
   * The record may be forgotten this long after it was written, never before, and is once nobody leads. Default: it
   * stays until it is written again. Without effect where not `capabilities.recordsExpire`.
   */
  readonly recordTtlMs?: number | undefined;
}

export interface RecordOptions extends RecordLife {
  readonly record?: Uint8Array | undefined;
}

export interface SessionConnection {
  readonly graceMs: number;
  /**
   * 'broken' is given at once when the connection breaks (the store may have started the grace), 'attached' when
   * the store confirmed that the session is bound to a new connection, and lives again as long as its last renewal
   * said. Called at once with the present state.
   * Returns the function that ends it.
   */
  subscribe(listener: (state: 'attached' | 'broken') => void): () => void;
}

export interface AcquireOptions extends StoreCallOptions {
  readonly metadata: string;
  /** Higher leads first among those who wait. */
  readonly priority: number;
}

export interface AcquiredOutcome {
  readonly status: 'acquired';
  /** Rises with every leadership of this election, whoever holds it. */
  readonly token: number;
  /** The election's record as it was in that step; undefined where there was none. */
  readonly record: Uint8Array | undefined;
}

export type AcquireOutcome =
  | AcquiredOutcome
  | {
      readonly status: 'waiting';
      readonly state: ElectionState;
      /** Opaque to the loop; the store's own bookmark for `waitForTurn`. */
      readonly bookmark: unknown;
    };

export interface ElectionState {
  /** undefined: nobody leads. */
  readonly leader: { readonly holder: string; readonly token: number; readonly metadata: string } | undefined;
  /** Rises with every change that the store shows; only for comparing states of one store and name. */
  readonly version: number;
  /** Who waits, in the order in which they would lead, where the store knows. */
  readonly waiting: readonly Waiter[];
  /** The election's record; undefined where there is none. */
  readonly record: Uint8Array | undefined;
}

export interface Waiter {
  readonly holder: string;
  readonly metadata: string;
  readonly priority: number;
}
