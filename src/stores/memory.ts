/**
 * A lease store in the memory of this process, for development and tests: no other process sees it.
 *
 * Guarantees: linearizable among the users of one `memoryStore()`; a lease ends by the runtime's monotonic clock, never
 * early; waiters lead by priority, then in order of arrival; tokens rise over the store's whole life.
 *
 * Must not: be mistaken for a store between processes.
 */
import type {
  ElectionState,
  LeaseStore,
  RecordOptions,
  SessionOptions,
  StoreCallOptions,
  StoreCapabilities,
  StoreSession,
} from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { MemoryKeyspace } from './memory-keyspace.ts';
import { type Election, MemorySession, type Place, type SessionHome } from './memory-session.ts';

export interface MemoryStoreOptions {
  readonly runtime?: Runtime | undefined;
}

export interface MemoryStore extends LeaseStore {
  /** For tests: the connections of this holder's sessions break; bound ones then live for their grace only. */
  breakConnections(holder: string): void;
  /** For tests: they are connected again, and live as long as their last renewal said. */
  restoreConnections(holder: string): void;
}

/** @throws ConclaveError 'invalid-argument' for an option that it does not know. */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  checkNames('The options of memoryStore', options, ['runtime']);
  return new MemoryLeaseStore(options.runtime ?? nodeRuntime());
}

class MemoryLeaseStore implements MemoryStore, SessionHome {
  readonly description = 'the memory of this process';
  readonly capabilities: StoreCapabilities = {
    consistency: 'linearizable',
    note: 'among users of one store object in one process',
    tokenSurvivesDeletion: true,
    watch: 'native',
    minTtlMs: 100,
    maxTtlMs: 86_400_000,
    ttlResolutionMs: 1,
    expiryLateMs: 0,
    orderedWaiters: true,
    connectionBound: true,
    handOff: true,
    recordsExpire: true,
    transactions: true,
  };
  readonly runtime: Runtime;
  readonly #sessions = new Set<MemorySession>();
  readonly #elections = new Map<string, Election>();
  readonly #closed = new AbortController();
  readonly keyspace = new MemoryKeyspace(() => this.nextRevision());
  /** Woken by each change of any election. */
  readonly #sleepers = new Set<() => void>();
  /** Counts every change in the store; tokens and versions are taken from it, so they never fall. */
  #revision = 0;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  async openSession(options: SessionOptions): Promise<StoreSession> {
    this.begin('Opening a session', options);
    const { minTtlMs, maxTtlMs } = this.capabilities;
    if (!(options.ttlMs >= minTtlMs && options.ttlMs <= maxTtlMs)) {
      const message = `A TTL of ${options.ttlMs} ms is out of range: ${this.description} keeps ${minTtlMs} to ${maxTtlMs} ms.`;
      throw new ConclaveError('invalid-argument', message);
    }
    const session = new MemorySession(this, `memory-${this.nextRevision()}`, options);
    this.#sessions.add(session);
    return session;
  }

  async read(name: string, options?: StoreCallOptions): Promise<ElectionState> {
    this.begin('Reading an election', options);
    return this.stateOf(this.election(name));
  }

  async *watch(
    name: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<ElectionState, void> {
    let seen = -1;
    while (!signal.aborted) {
      this.begin('Watching an election');
      const election = this.election(name);
      if (election.version !== seen) {
        seen = election.version;
        yield this.stateOf(election);
      } else {
        await this.changed(election, signal);
      }
    }
  }

  async *watchAll(
    prefix: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<ReadonlyMap<string, ElectionState>, void> {
    let seen = -1;
    while (!signal.aborted) {
      this.begin('Watching elections');
      const changed = new Map<string, ElectionState>();
      for (const [name, election] of this.#elections) {
        if (name.startsWith(prefix) && election.version > Math.max(seen, 0)) {
          changed.set(name, this.stateOf(election));
        }
      }
      const isFirst = seen < 0;
      seen = this.#revision;
      if (isFirst || changed.size > 0) yield changed;
      else await this.changed({ sleepers: this.#sleepers }, signal);
    }
  }

  breakConnections(holder: string): void {
    for (const session of this.#sessions) if (session.holder === holder) session.disconnect();
  }

  restoreConnections(holder: string): void {
    for (const session of this.#sessions) if (session.holder === holder) session.reconnect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of [...this.#sessions]) this.end(session);
    this.#closed.abort();
    for (const election of this.#elections.values()) this.#wake(election);
    for (const wake of [...this.#sleepers]) wake();
  }

  /** At the start of every operation: sessions whose time has come are gone, even if no timer could fire. */
  begin(what: string, options: StoreCallOptions = {}): void {
    if (options.signal?.aborted) throw ConclaveError.aborted(what, options.signal);
    if (this.#closed.signal.aborted) throw new ConclaveError('closed', `${what}: the store is closed.`);
    for (const session of [...this.#sessions]) session.expireIfDue();
  }

  election(name: string): Election {
    let election = this.#elections.get(name);
    if (election === undefined) {
      election = { version: 0, record: undefined, leader: undefined, waiting: [], sleepers: new Set() };
      this.#elections.set(name, election);
    }
    return election;
  }

  stateOf(election: Election): ElectionState {
    const { leader, version, waiting } = election;
    const record = this.recordOf(election);
    return {
      leader: leader && { holder: leader.session.holder, token: leader.token, metadata: leader.metadata },
      version,
      waiting: waiting.map(({ session, metadata, priority }) => ({
        holder: session.holder,
        metadata,
        priority,
      })),
      record: record?.value.slice(),
    };
  }

  /** undefined: there is none, or its time is over. */
  recordOf({ record }: Election): { readonly value: Uint8Array } | undefined {
    return record !== undefined && this.runtime.clock.monotonicMs() < record.untilMs ? record : undefined;
  }

  writeRecord(election: Election, { record, recordTtlMs = Number.POSITIVE_INFINITY }: RecordOptions): void {
    if (record === undefined) return;
    const untilMs = this.runtime.clock.monotonicMs() + recordTtlMs;
    election.record = { value: record.slice(), untilMs };
    this.touch(election);
  }

  nextRevision(): number {
    this.#revision += 1;
    return this.#revision;
  }

  /** Every change of an election ends here. */
  touch(election: Election): void {
    election.version = this.nextRevision();
    this.#wake(election);
  }

  lead(election: Election, place: Place): void {
    election.waiting = election.waiting.filter((other) => other !== place);
    election.leader = { session: place.session, token: this.nextRevision(), metadata: place.metadata };
    this.touch(election);
  }

  /** Resolves at the next change, at the store's closing, or when the signal aborts. */
  changed(election: Pick<Election, 'sleepers'>, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#closed.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        election.sleepers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      election.sleepers.add(done);
      signal.addEventListener('abort', done);
    });
  }

  /** The session is over: all its names are free in the same instant. */
  end(session: MemorySession): void {
    if (!this.#sessions.delete(session)) return;
    session.ended();
    for (const election of this.#elections.values()) {
      const led = election.leader?.session === session;
      const rest = election.waiting.filter((place) => place.session !== session);
      if (!led && rest.length === election.waiting.length) continue;
      if (led) election.leader = undefined;
      election.waiting = rest;
      this.touch(election);
    }
  }

  #wake(election: Election): void {
    for (const wake of [...election.sleepers, ...this.#sleepers]) wake();
  }
}
