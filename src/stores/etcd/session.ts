import type { CallOptions } from '../../client/index.ts';
import type {
  AcquiredOutcome,
  AcquireOptions,
  AcquireOutcome,
  RecordLife,
  RecordOptions,
  StoreCallOptions,
  StoreSession,
  StoreTransaction,
  StoreTransactionResult,
} from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import { callOptions, sessionClosed, sessionLost } from '../conclave/calls.ts';
import { placeKey, priorityGroup } from '../conclave/keys.ts';
import type { ElectionMirror } from '../conclave/mirror.ts';
import { acquired, type Bookmark, firstDeletion, recordIn, turnOfNext, waiting } from '../conclave/part.ts';
import { withRecord } from '../conclave/record-lease.ts';
import { checkView, viewOf } from '../conclave/requests.ts';
import { createdAt, put } from '../conclave/transactions.ts';
import { transactGuarded } from '../conclave/user-transactions.ts';
import { encodeHolding } from '../conclave/values.ts';
import { Cleaning } from './cleaning.ts';
import type { EtcdClient } from './client.ts';
import { type ElectionReader, type EtcdElectionKeys, etcdElectionKeys, sharedLeader } from './keys.ts';
import { CallNumbers, release, settle, transfer, withdraw } from './leaving.ts';
import { type EtcdPart, newPart, notice } from './part.ts';
import { type EtcdCandidacy, type Giving, joinTransaction, leftIn, winTransaction } from './requests.ts';
import { type LeasedWrite, writeGuarded } from './writing.ts';

type Waiting = AcquireOutcome & { readonly status: 'waiting' };
type Recording = StoreCallOptions & RecordOptions;

export interface EtcdSessionParts {
  readonly client: EtcdClient;
  readonly reader: ElectionReader;
  readonly namespace: string;
  readonly holder: string;
  readonly lease: bigint;
  readonly ttlMs: number;
  /** What a watch of this election by the same store shows at present, if there is one. */
  readonly mirrorOf: (name: string) => ElectionMirror | undefined;
  readonly onEnd: () => void;
}

/** A lease of etcd's, and the places and leaderships attached to it. */
export class EtcdSession implements StoreSession {
  readonly id: string;
  readonly holder: string;
  readonly ttlMs: number;
  readonly #client: EtcdClient;
  readonly #reader: ElectionReader;
  readonly #namespace: string;
  readonly #lease: bigint;
  readonly #mirrorOf: (name: string) => ElectionMirror | undefined;
  readonly #onEnd: () => void;
  readonly #parts = new Map<string, EtcdPart>();
  readonly #numbers = new CallNumbers();
  readonly #cleaning: Cleaning;
  #ending: Promise<void> | undefined;

  constructor(parts: EtcdSessionParts) {
    this.id = parts.lease.toString(16);
    this.holder = parts.holder;
    this.ttlMs = parts.ttlMs;
    this.#client = parts.client;
    this.#reader = parts.reader;
    this.#namespace = parts.namespace;
    this.#lease = parts.lease;
    this.#mirrorOf = parts.mirrorOf;
    this.#onEnd = parts.onEnd;
    this.#cleaning = new Cleaning(parts.client, (name) => this.#parts.delete(name));
  }

  async renew(options: StoreCallOptions = {}): Promise<void> {
    this.#assertOpen();
    if ((await this.#client.renewLease(this.#lease, options)) <= 0) throw this.#lost();
  }

  async acquire(name: string, options: AcquireOptions): Promise<AcquireOutcome> {
    const keys = this.#keysOf(name);
    const call = callOptions(options);
    const part = await this.#leased(() => this.#prepare(keys, options, call));
    const holding = encodeHolding({ holder: this.holder, metadata: options.metadata });
    const group = priorityGroup(keys, options.priority);
    const onUnsure = (): void => {
      part.doubtful = true;
    };
    // Another round only where something was lost, or found where none was known; each makes the next one right.
    for (;;) {
      const { placeRevision, left } = part;
      const candidacy: EtcdCandidacy = { keys, group, place: part.place, lease: this.#lease, holding, left };
      const transaction =
        placeRevision === undefined ? joinTransaction(candidacy) : winTransaction(candidacy, placeRevision);
      const response = await this.#leased(() => this.#client.txn(transaction, { ...call, onUnsure }));
      const view = viewOf(candidacy, response, placeRevision, (leader) => sharedLeader(keys, leader));
      if (view === undefined) return this.#take(part, response.header?.revision ?? 0, recordIn(response));
      part.left = leftIn(response)?.modRevision ?? 0;
      if (view.leader?.lease === this.#lease)
        return this.#take(part, view.leader.createRevision, view.record);
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
    const keys = this.#keysOf(name);
    const bookmark = outcome.bookmark as Bookmark;
    const part = this.#parts.get(name);
    const own = part && { place: part.place, lease: this.#lease };
    const given =
      bookmark.next === undefined || own === undefined
        ? await firstDeletion(this.#reader, bookmark, signal)
        : await turnOfNext(this.#reader, keys, own, bookmark, signal);
    if (signal.aborted) throw ConclaveError.aborted(`Waiting for "${name}"`, signal);
    if (!given || !part || part.withdrawing || this.#ending !== undefined) return undefined;
    return this.#take(part, given.token, given.record);
  }

  async withdraw(name: string, options: StoreCallOptions = {}): Promise<void> {
    const keys = this.#keysOf(name);
    const part = this.#parts.get(name);
    // Withdrawn before, and that is known to have taken place.
    if (part === undefined || (part.withdrawing && !part.unsettled)) return;
    await withdraw(this.#client, this.#giving(keys), part, callOptions(options));
    if (part.token === undefined && part.withdrawing) this.#cleaning.add(keys, part);
  }

  async release(name: string, token: number, options: Recording = {}): Promise<boolean> {
    return await this.#giveUp(name, token, options, (leaving, call) => {
      const next = this.#mirrorOf(name)?.firstWaiter(this.#lease);
      return release(leaving, next?.lease === 0n ? undefined : next, call);
    });
  }

  async transfer(name: string, token: number, toHolder: string, options: Recording = {}): Promise<boolean> {
    return await this.#giveUp(name, token, options, (leaving, call) => transfer(leaving, toHolder, call));
  }

  async proclaim(
    name: string,
    token: number,
    metadata: string,
    options: StoreCallOptions = {},
  ): Promise<boolean> {
    const keys = this.#keysOf(name);
    const value = encodeHolding({ holder: this.holder, metadata });
    const write = { key: keys.ownLeader, value, lease: this.#lease };
    return await this.#write(keys, token, 'leader', write, callOptions(options));
  }

  async writeRecord(
    name: string,
    token: number,
    value: Uint8Array,
    options: StoreCallOptions & RecordLife = {},
  ): Promise<boolean> {
    const keys = this.#keysOf(name);
    const call = callOptions(options);
    return await withRecord(this.#client, { ...options, record: value }, call, (record) => {
      const write = { key: keys.record, value, lease: record?.lease ?? 0n };
      return this.#write(keys, token, 'record', write, call);
    });
  }

  async transact(
    name: string,
    token: number,
    transaction: StoreTransaction,
    options: StoreCallOptions = {},
  ): Promise<StoreTransactionResult | undefined> {
    const keys = this.#keysOf(name);
    const on = { keys: { ...keys, leader: keys.ownLeader }, own: { token, lease: this.#lease } };
    const once: Pick<EtcdClient, 'txn'> = { txn: (request, call) => this.#client.txnOnce(request, call) };
    return await transactGuarded(once, this.#namespace, on, transaction, callOptions(options));
  }

  /** Revokes the lease. Never rejects: where etcd cannot be reached, the lease ends by itself. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#cleaning.close();
    try {
      await this.#client.leaseRevoke(this.#lease, { timeoutMs: Math.min(this.ttlMs, 5000) });
    } catch {
      // Gone already, or out of reach.
    }
    this.#onEnd();
  }

  /** What this session knows of its part, with a place that fits the priority asked for. */
  async #prepare(keys: EtcdElectionKeys, options: AcquireOptions, call: CallOptions): Promise<EtcdPart> {
    const { priority, metadata } = options;
    const place = placeKey(priorityGroup(keys, priority), this.#lease);
    const part = this.#parts.get(keys.name) ?? newPart({ priority, metadata, place });
    this.#parts.set(keys.name, part);
    this.#cleaning.cancel(keys.name);
    if (part.priority !== priority && part.token === undefined && !part.withdrawing) {
      // Another priority is another place, at the end of its queue; the old one must not stay behind.
      await withdraw(this.#client, this.#giving(keys), part, call);
    }
    part.withdrawing = false;
    if (part.unsettled) await settle(this.#client, this.#giving(keys), part, call);
    if (part.priority === priority && part.metadata !== metadata && part.placeRevision !== undefined) {
      // The place keeps its turn; a hand-off takes its value over.
      const value = encodeHolding({ holder: this.holder, metadata });
      const compare = [createdAt(part.place, part.placeRevision)];
      await this.#client.txn({ compare, success: [put(part.place, value, this.#lease)] }, call);
    }
    part.priority = priority;
    part.place = place;
    part.metadata = metadata;
    return part;
  }

  #take(part: EtcdPart, token: number, record: Parameters<typeof acquired>[2]): AcquiredOutcome {
    if (part.token !== token) notice(part, token, record);
    return acquired(part, token, record);
  }

  async #giveUp(
    name: string,
    token: number,
    options: Recording,
    leave: (leaving: Parameters<typeof release>[0], call: CallOptions) => Promise<boolean>,
  ): Promise<boolean> {
    const keys = this.#keysOf(name);
    const call = callOptions(options);
    const part = this.#parts.get(name);
    const giving = this.#giving(keys);
    const given = await withRecord(this.#client, options, call, (record) =>
      this.#unlessLost(() => leave({ client: this.#client, giving, part, token, record }, call)),
    );
    if (part?.token === token) part.token = undefined;
    if (part !== undefined && part.token === undefined) this.#cleaning.add(keys, part);
    return given;
  }

  #write(
    keys: EtcdElectionKeys,
    token: number,
    which: keyof EtcdPart['modified'],
    write: LeasedWrite,
    call: CallOptions,
  ): Promise<boolean> {
    const part = this.#parts.get(keys.name);
    const writing = { client: this.#client, keys, part, token, which };
    return this.#unlessLost(() => writeGuarded(writing, write, call));
  }

  /** False where the lease went in the middle of it, which ended the leadership too. */
  async #unlessLost(transact: () => Promise<boolean>): Promise<boolean> {
    try {
      return await transact();
    } catch (error) {
      if (ConclaveError.is(error, 'lease-lost')) return false;
      throw error;
    }
  }

  /** A put with a lease that is gone: here that is the session's own end, and said so. */
  async #leased<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw ConclaveError.is(error, 'lease-lost') ? this.#lost(error) : error;
    }
  }

  #giving(keys: EtcdElectionKeys): Giving {
    return { keys, lease: this.#lease, call: this.#numbers.next() };
  }

  #keysOf(name: string): EtcdElectionKeys {
    this.#assertOpen();
    return etcdElectionKeys(this.#namespace, name, this.#lease);
  }

  #lost(cause?: unknown): ConclaveError {
    return sessionLost(this, this.#lease, cause);
  }

  #assertOpen(): void {
    if (this.#ending !== undefined) throw sessionClosed(this);
  }
}
