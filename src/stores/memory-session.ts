/** The sessions of the memory store, and what both share: elections with their queues. */
import type {
  AcquireOptions,
  AcquireOutcome,
  ElectionState,
  RecordLife,
  RecordOptions,
  SessionConnection,
  SessionOptions,
  StoreCallOptions,
  StoreSession,
  StoreTransaction,
  StoreTransactionResult,
} from '../election/store.ts';
import { checkTransaction } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import type { Runtime, Timer } from '../runtime/types.ts';
import type { MemoryKeyspace } from './memory-keyspace.ts';

export interface Place {
  readonly session: MemorySession;
  /** When it came. */
  readonly order: number;
  priority: number;
  metadata: string;
}

export interface Election {
  version: number;
  record: { readonly value: Uint8Array; readonly untilMs: number } | undefined;
  leader: { readonly session: MemorySession; readonly token: number; metadata: string } | undefined;
  /** In the order in which they would lead. */
  waiting: Place[];
  /** Woken by each change. */
  readonly sleepers: Set<() => void>;
}

/** What a session needs of its store. */
export interface SessionHome {
  readonly runtime: Runtime;
  begin(what: string, options?: StoreCallOptions): void;
  election(name: string): Election;
  stateOf(election: Election): ElectionState;
  recordOf(election: Election): { readonly value: Uint8Array } | undefined;
  writeRecord(election: Election, options: RecordOptions): void;
  readonly keyspace: MemoryKeyspace;
  nextRevision(): number;
  touch(election: Election): void;
  lead(election: Election, place: Place): void;
  changed(election: Election, signal: AbortSignal): Promise<void>;
  end(session: MemorySession): void;
}

export class MemorySession implements StoreSession {
  readonly id: string;
  readonly holder: string;
  readonly ttlMs: number;
  readonly connection?: SessionConnection;
  readonly #store: SessionHome;
  readonly #listeners = new Set<(state: 'attached' | 'broken') => void>();
  #over = false;
  #renewedUntilMs = 0;
  #brokenUntilMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(store: SessionHome, id: string, options: SessionOptions) {
    this.#store = store;
    this.id = id;
    this.holder = options.holder;
    this.ttlMs = options.ttlMs;
    if (options.releaseOnDisconnect) this.connection = this.#connection(options.releaseOnDisconnect.graceMs);
    this.#extend();
  }

  async renew(options?: StoreCallOptions): Promise<void> {
    this.#checkLive('Renewing a session', options);
    this.#extend();
  }

  async acquire(name: string, options: AcquireOptions): Promise<AcquireOutcome> {
    const election = this.#begin('Acquiring an election', options, name);
    if (election.leader?.session === this) return this.#acquired(election);
    const place = this.#placeIn(election, options);
    if (election.leader !== undefined || election.waiting[0] !== place) {
      return { status: 'waiting', state: this.#store.stateOf(election), bookmark: undefined };
    }
    this.#store.lead(election, place);
    return this.#acquired(election);
  }

  async waitForTurn(
    name: string,
    _outcome: AcquireOutcome & { readonly status: 'waiting' },
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    for (;;) {
      if (signal.aborted) throw ConclaveError.aborted('Waiting for an election', signal);
      const election = this.#begin('Waiting for an election', {}, name);
      const { leader, waiting } = election;
      const place = waiting.findIndex((other) => other.session === this);
      if (leader?.session === this || place < 0) return;
      if (leader === undefined && place === 0) return;
      await this.#store.changed(election, signal);
    }
  }

  async withdraw(name: string, options?: StoreCallOptions): Promise<void> {
    const election = this.#begin('Withdrawing', options, name);
    this.#leaveQueue(election);
  }

  async release(name: string, token: number, options?: StoreCallOptions & RecordOptions): Promise<boolean> {
    const election = this.#begin('Releasing an election', options, name);
    if (!this.#leads(election, token)) return false;
    election.leader = undefined;
    this.#leaveQueue(election);
    if (options) this.#store.writeRecord(election, options);
    this.#store.touch(election);
    return true;
  }

  async transfer(
    name: string,
    token: number,
    toHolder: string,
    options?: StoreCallOptions & RecordOptions,
  ): Promise<boolean> {
    const election = this.#begin('Handing off an election', options, name);
    if (!this.#leads(election, token)) return false;
    // A holder whose session was lost may still have the place of that one: the last to come is alive.
    const [place] = election.waiting
      .filter((other) => other.session.holder === toHolder && other.session !== this)
      .sort((left, right) => right.order - left.order);
    if (place === undefined) {
      const message = `${JSON.stringify(toHolder)} is not waiting for election ${JSON.stringify(name)}.`;
      throw new ConclaveError('target-not-waiting', message);
    }
    if (options) this.#store.writeRecord(election, options);
    this.#store.lead(election, place);
    return true;
  }

  async proclaim(
    name: string,
    token: number,
    metadata: string,
    options?: StoreCallOptions,
  ): Promise<boolean> {
    const election = this.#begin('Proclaiming', options, name);
    if (!this.#leads(election, token) || election.leader === undefined) return false;
    election.leader.metadata = metadata;
    this.#store.touch(election);
    return true;
  }

  async writeRecord(
    name: string,
    token: number,
    record: Uint8Array,
    options?: StoreCallOptions & RecordLife,
  ): Promise<boolean> {
    const election = this.#begin('Writing a record', options, name);
    if (!this.#leads(election, token)) return false;
    this.#store.writeRecord(election, { ...options, record });
    return true;
  }

  async transact(
    name: string,
    token: number,
    transaction: StoreTransaction,
    options?: StoreCallOptions,
  ): Promise<StoreTransactionResult | undefined> {
    const election = this.#begin('A transaction', options, name);
    checkTransaction(transaction);
    return this.#leads(election, token) ? this.#store.keyspace.transact(transaction) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#store.end(this);
  }

  disconnect(): void {
    if (this.connection === undefined || this.#brokenUntilMs !== Number.POSITIVE_INFINITY) return;
    this.#brokenUntilMs = this.#store.runtime.clock.monotonicMs() + this.connection.graceMs;
    this.#tell('broken');
    this.#setTimer();
  }

  reconnect(): void {
    if (this.connection === undefined || this.#over) return;
    this.#brokenUntilMs = Number.POSITIVE_INFINITY;
    this.#setTimer();
    this.#tell('attached');
  }

  expireIfDue(): void {
    if (this.#store.runtime.clock.monotonicMs() >= this.#deadlineMs) this.#store.end(this);
  }

  ended(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#tell('broken');
    this.#listeners.clear();
  }

  get #deadlineMs(): number {
    return Math.min(this.#renewedUntilMs, this.#brokenUntilMs);
  }

  #begin(what: string, options: StoreCallOptions | undefined, name: string): Election {
    this.#checkLive(what, options);
    return this.#store.election(name);
  }

  #checkLive(what: string, options: StoreCallOptions | undefined): void {
    this.#store.begin(what, options);
    if (this.#over)
      throw new ConclaveError('lease-lost', `${what}: session ${this.id} of ${this.holder} is over.`);
  }

  #extend(): void {
    this.#renewedUntilMs = this.#store.runtime.clock.monotonicMs() + this.ttlMs;
    this.#setTimer();
  }

  #setTimer(): void {
    const { clock, timers } = this.#store.runtime;
    this.#timer?.cancel();
    const check = () => {
      this.expireIfDue();
      if (!this.#over) this.#setTimer();
    };
    this.#timer = timers.after(Math.max(0, this.#deadlineMs - clock.monotonicMs()), check, {
      background: true,
    });
  }

  #leads(election: Election, token: number): boolean {
    return election.leader?.session === this && election.leader.token === token;
  }

  #acquired(election: Election): AcquireOutcome {
    return {
      status: 'acquired',
      token: election.leader?.token ?? 0,
      record: this.#store.recordOf(election)?.value.slice(),
    };
  }

  /** A place keeps its order when its options change. */
  #placeIn(election: Election, { priority, metadata }: AcquireOptions): Place {
    let place = election.waiting.find((other) => other.session === this);
    const before = election.waiting.indexOf(place as Place);
    if (place === undefined) {
      place = { session: this, order: this.#store.nextRevision(), priority, metadata };
      election.waiting.push(place);
    }
    place.priority = priority;
    place.metadata = metadata;
    election.waiting.sort((left, right) => right.priority - left.priority || left.order - right.order);
    if (election.waiting.indexOf(place) !== before) this.#store.touch(election);
    return place;
  }

  #leaveQueue(election: Election): void {
    const rest = election.waiting.filter((place) => place.session !== this);
    if (rest.length === election.waiting.length) return;
    election.waiting = rest;
    this.#store.touch(election);
  }

  #connection(graceMs: number): SessionConnection {
    return {
      graceMs,
      subscribe: (listener) => {
        this.#listeners.add(listener);
        listener(this.#over || this.#brokenUntilMs !== Number.POSITIVE_INFINITY ? 'broken' : 'attached');
        return () => this.#listeners.delete(listener);
      },
    };
  }

  #tell(state: 'attached' | 'broken'): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(state);
      } catch {
        // The listener's own fault; the others must hear it.
      }
    }
  }
}
