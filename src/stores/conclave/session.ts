import type { Attachment, CallOptions } from '../../client/index.ts';
import type {
  AcquiredOutcome,
  AcquireOptions,
  AcquireOutcome,
  RecordLife,
  RecordOptions,
  SessionConnection,
  SessionOptions,
  StoreCallOptions,
  StoreSession,
  StoreTransaction,
  StoreTransactionResult,
} from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { TxnResponse } from '../../wire/index.ts';
import { callOptions, sessionClosed, sessionLost } from './calls.ts';
import { connectionOf } from './connection.ts';
import type { StoreClient } from './explaining-client.ts';
import { electionKeys, priorityGroup } from './keys.ts';
import { release, transfer } from './leaving.ts';
import type { ElectionMirror } from './mirror.ts';
import { OwnParts } from './own-parts.ts';
import { acquired, type Bookmark, firstDeletion, recordIn, turnOfNext, waiting } from './part.ts';
import { withRecord } from './record-lease.ts';
import {
  type Candidacy,
  checkView,
  guardedTransaction,
  joinTransaction,
  type Own,
  putRecord,
  viewOf,
  winTransaction,
} from './requests.ts';
import { put, type Transaction } from './transactions.ts';
import { transactGuarded } from './user-transactions.ts';
import { encodeHolding } from './values.ts';

type Waiting = AcquireOutcome & { readonly status: 'waiting' };
type Recording = StoreCallOptions & RecordOptions;

export interface ConclaveSessionParts {
  readonly client: StoreClient;
  readonly namespace: string;
  readonly options: SessionOptions;
  readonly lease: bigint;
  readonly ttlMs: number;
  readonly attachment: Attachment | undefined;
  /** What a watch of this election by the same store shows at present, if there is one. */
  readonly mirrorOf: (name: string) => ElectionMirror | undefined;
  readonly onEnd: () => void;
}

/** A lease in the cluster, and the places and leaderships attached to it. */
export class ConclaveSession implements StoreSession {
  readonly id: string;
  readonly holder: string;
  readonly ttlMs: number;
  readonly connection?: SessionConnection;
  readonly #client: StoreClient;
  readonly #namespace: string;
  readonly #lease: bigint;
  readonly #attachment: Attachment | undefined;
  readonly #mirrorOf: (name: string) => ElectionMirror | undefined;
  readonly #onEnd: () => void;
  readonly #parts: OwnParts;
  #ending: Promise<void> | undefined;

  constructor(parts: ConclaveSessionParts) {
    this.id = parts.lease.toString(16);
    this.holder = parts.options.holder;
    this.ttlMs = parts.ttlMs;
    this.#client = parts.client;
    this.#namespace = parts.namespace;
    this.#lease = parts.lease;
    this.#attachment = parts.attachment;
    this.#mirrorOf = parts.mirrorOf;
    this.#onEnd = parts.onEnd;
    this.#parts = new OwnParts({
      ...{ client: parts.client, lease: parts.lease, holder: this.holder },
      leased: (transaction, call) => this.#leased(transaction, call),
    });
    if (parts.attachment !== undefined) this.connection = connectionOf(parts.attachment);
  }

  async renew(options: StoreCallOptions = {}): Promise<void> {
    this.#assertOpen();
    const ttlMs = await this.#client.renewLease(this.#lease, options);
    if (ttlMs <= 0) throw this.#lost();
  }

  async acquire(name: string, options: AcquireOptions): Promise<AcquireOutcome> {
    this.#assertOpen();
    const keys = electionKeys(this.#namespace, name);
    const part = await this.#parts.prepare(keys, options);
    const call = callOptions(options);
    const holding = encodeHolding({ holder: this.holder, metadata: options.metadata });
    const group = priorityGroup(keys, options.priority);
    const candidacy: Candidacy = { keys, group, place: part.place, lease: this.#lease, holding };
    // Another round only where the place was lost, or found where none was known; each makes the next one right.
    for (;;) {
      // It would take a place after all, which nobody gives up again.
      if (part.withdrawing || this.#parts.get(name) !== part) throw withdrawn(name);
      const placeRevision = part.placeRevision;
      const transaction =
        placeRevision === undefined ? joinTransaction(candidacy) : winTransaction(candidacy, placeRevision);
      const response = await this.#leased(transaction, call);
      const view = viewOf(candidacy, response, placeRevision);
      if (view === undefined) return acquired(part, response.header?.revision ?? 0, recordIn(response));
      if (view.leader?.lease === this.#lease) return acquired(part, view.leader.createRevision, view.record);
      part.token = undefined;
      part.placeRevision = view.own?.createRevision;
      checkView(keys, view);
      const others = view.leader !== undefined || view.ahead !== undefined;
      if (view.placed && others) return waiting(keys, part, view);
    }
  }

  async waitForTurn(
    name: string,
    outcome: Waiting,
    options: { readonly signal: AbortSignal },
  ): Promise<AcquiredOutcome | undefined> {
    const { signal } = options;
    if (signal.aborted) throw ConclaveError.aborted(`Waiting for "${name}"`, signal);
    this.#assertOpen();
    const bookmark = outcome.bookmark as Bookmark;
    const part = this.#parts.get(name);
    if (bookmark.next === undefined || part === undefined) {
      await firstDeletion(this.#client, bookmark, signal);
      if (signal.aborted) throw ConclaveError.aborted(`Waiting for "${name}"`, signal);
      return undefined;
    }
    const own = { place: part.place, lease: this.#lease };
    const keys = electionKeys(this.#namespace, name);
    const given = await turnOfNext(this.#client, keys, own, bookmark, signal);
    if (signal.aborted) throw ConclaveError.aborted(`Waiting for "${name}"`, signal);
    if (given === undefined || part.withdrawing || this.#ending !== undefined) return undefined;
    return acquired(part, given.token, given.record);
  }

  async withdraw(name: string, options: StoreCallOptions = {}): Promise<void> {
    this.#assertOpen();
    const keys = electionKeys(this.#namespace, name);
    const part = this.#parts.get(name);
    if (part === undefined) return;
    await this.#parts.leave(keys, part, callOptions(options));
  }

  async release(name: string, token: number, options: Recording = {}): Promise<boolean> {
    this.#assertOpen();
    const keys = electionKeys(this.#namespace, name);
    const call = callOptions(options);
    const released = await withRecord(this.#client, options, call, (record) => {
      const next = this.#mirrorOf(name)?.firstWaiter(this.#lease);
      const place = this.#parts.get(name)?.place;
      return release(this.#client, { keys, own: this.#own(token), record }, place, next, call);
    });
    this.#parts.forget(name, token);
    return released;
  }

  async transfer(name: string, token: number, toHolder: string, options: Recording = {}): Promise<boolean> {
    this.#assertOpen();
    const keys = electionKeys(this.#namespace, name);
    const call = callOptions(options);
    const transferred = await withRecord(this.#client, options, call, (record) =>
      transfer(this.#client, { keys, own: this.#own(token), record }, toHolder, call),
    );
    this.#parts.forget(name, token);
    return transferred;
  }

  async proclaim(
    name: string,
    token: number,
    metadata: string,
    options: StoreCallOptions = {},
  ): Promise<boolean> {
    this.#assertOpen();
    const keys = electionKeys(this.#namespace, name);
    const value = encodeHolding({ holder: this.holder, metadata });
    const transaction = guardedTransaction(keys, this.#own(token), [put(keys.leader, value, this.#lease)]);
    return this.#guarded(transaction, callOptions(options));
  }

  async writeRecord(
    name: string,
    token: number,
    value: Uint8Array,
    options: StoreCallOptions & RecordLife = {},
  ): Promise<boolean> {
    this.#assertOpen();
    const keys = electionKeys(this.#namespace, name);
    const call = callOptions(options);
    return await withRecord(this.#client, { ...options, record: value }, call, (record) => {
      const transaction = guardedTransaction(keys, this.#own(token), record ? [putRecord(keys, record)] : []);
      return this.#guarded(transaction, call);
    });
  }

  async transact(
    name: string,
    token: number,
    transaction: StoreTransaction,
    options: StoreCallOptions = {},
  ): Promise<StoreTransactionResult | undefined> {
    this.#assertOpen();
    const on = { keys: electionKeys(this.#namespace, name), own: this.#own(token) };
    return await transactGuarded(this.#client, this.#namespace, on, transaction, callOptions(options));
  }

  /** Revokes the lease. Never rejects: where the cluster cannot be reached, the lease ends by itself. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    try {
      await this.#client.leaseRevoke(this.#lease, { timeoutMs: Math.min(Math.max(this.ttlMs, 100), 5000) });
    } catch {
      // Gone already, or out of reach.
    }
    await this.#attachment?.close();
    this.#onEnd();
  }

  /** False where the lease went in the middle of it, which ended the leadership too. */
  async #guarded(transaction: Transaction, call: CallOptions): Promise<boolean> {
    try {
      return (await this.#leased(transaction, call)).succeeded;
    } catch (error) {
      if (ConclaveError.is(error, 'lease-lost')) return false;
      throw error;
    }
  }

  /** A put with a lease that is gone: here that is the session's own end, and said so. */
  async #leased(transaction: Transaction, call: CallOptions): Promise<TxnResponse> {
    try {
      return await this.#client.txn(transaction, call);
    } catch (error) {
      throw ConclaveError.is(error, 'lease-lost') ? this.#lost(error) : error;
    }
  }

  #own(token: number): Own {
    return { token, lease: this.#lease };
  }

  #lost(cause?: unknown): ConclaveError {
    return sessionLost(this, this.#lease, cause);
  }

  #assertOpen(): void {
    if (this.#ending !== undefined) throw sessionClosed(this);
  }
}

function withdrawn(name: string): ConclaveError {
  const message = `Acquiring ${JSON.stringify(name)} was overtaken by a withdrawal of this session.`;
  return new ConclaveError('aborted', message, { retryable: true, outcome: 'unknown' });
}
