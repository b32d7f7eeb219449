/**
 * The cluster as a lease store: sessions are leases of it, leaderships and places in the queue are keys under them.
 *
 * Guarantees: one leadership key for each election, created in the transaction that wins; its create revision is the
 * token, so tokens rise; waiters lead by priority, then in the order in which they came; a change wakes only who is
 * next.
 *
 * Must not: judge time or validity: that is the election loop's.
 */
import { bytesKey, type ConclaveClient, type ConnectOptions, connectClient } from '../client/index.ts';
import type {
  ElectionState,
  LeaseStore,
  SessionOptions,
  StoreCallOptions,
  StoreCapabilities,
  StoreSession,
} from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import type { KeyValue } from '../wire/index.ts';
import { type ElectionKeys, electionKeys, equalBytes, loneSurrogate, startsWith } from './conclave/keys.ts';
import { ConclaveSession } from './conclave/session.ts';
import { electionState } from './conclave/values.ts';

export type ConclaveStoreOptions = {
  /** Keys of elections begin with it. Default 'conclave/election'. */
  readonly namespace?: string;
  /** Shown in messages. Default "conclave at" and the endpoints. */
  readonly description?: string;
} & (
  | ConnectOptions
  /** A client to share; it stays open when the store is disposed. */
  | { readonly client: ConclaveClient }
);

/** @throws ConclaveError 'invalid-argument' for malformed endpoints or an unusable namespace. */
export function conclaveStore(options: ConclaveStoreOptions): LeaseStore {
  if (typeof options !== 'object' || options === null) {
    const message = `conclaveStore takes an object, like { endpoints: ['http://127.0.0.1:2379'] }, not ${typeof options}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  return new ConclaveStore(options);
}

class ConclaveStore implements LeaseStore {
  readonly description: string;
  readonly capabilities: StoreCapabilities;
  readonly #client: ConclaveClient;
  readonly #ownsClient: boolean;
  readonly #namespace: string;
  readonly #sessions = new Set<ConclaveSession>();
  #closing: Promise<void> | undefined;

  constructor(options: ConclaveStoreOptions) {
    this.#ownsClient = !('client' in options);
    this.#namespace = checkNamespace(options.namespace ?? 'conclave/election');
    this.#client = 'client' in options ? options.client : connectClient(options);
    this.description = options.description ?? `conclave at ${this.#client.endpoints.join(', ')}`;
    this.capabilities = {
      consistency: 'linearizable',
      note: 'while a majority of the members run and keep what their disks confirmed',
      // The revision, which tokens are taken from, rises with every write and never restarts.
      tokenSurvivesDeletion: true,
      watch: 'native',
      minTtlMs: 100,
      maxTtlMs: 24 * 3600 * 1000,
      ttlResolutionMs: 1,
      orderedWaiters: true,
      connectionBound: this.#client.connectionBound,
      handOff: true,
    };
  }

  async openSession(options: SessionOptions): Promise<StoreSession> {
    this.#assertOpen();
    const { ttlMs, releaseOnDisconnect, signal, timeoutMs = this.#client.timeoutMs } = options;
    this.#check(options);
    const startMs = this.#client.runtime.clock.monotonicMs();
    const within = (): { signal?: AbortSignal; timeoutMs: number } => ({
      ...(signal === undefined ? {} : { signal }),
      timeoutMs: Math.max(timeoutMs - (this.#client.runtime.clock.monotonicMs() - startMs), 1),
    });
    const granted = await this.#client.leaseGrant(Math.ceil(ttlMs), within());
    try {
      const attachment =
        releaseOnDisconnect === undefined
          ? undefined
          : await this.#client.attach(granted.lease, {
              ...within(),
              graceMs: Math.ceil(releaseOnDisconnect.graceMs),
            });
      const session: ConclaveSession = new ConclaveSession({
        client: this.#client,
        namespace: this.#namespace,
        options,
        lease: granted.lease,
        ttlMs: granted.ttlMs,
        attachment,
        onEnd: () => this.#sessions.delete(session),
      });
      this.#sessions.add(session);
      return session;
    } catch (error) {
      // Nothing holds by it yet; if this fails too it ends by itself.
      this.#client.leaseRevoke(granted.lease, { timeoutMs: 1000 }).catch(() => {});
      throw error;
    }
  }

  async read(name: string, options: StoreCallOptions = {}): Promise<ElectionState> {
    this.#assertOpen();
    const keys = electionKeys(this.#namespace, name);
    return (await this.#readAll(keys, options)).state();
  }

  async *watch(
    name: string,
    options: { readonly signal: AbortSignal },
  ): AsyncGenerator<ElectionState, void, undefined> {
    const { signal } = options;
    const keys = electionKeys(this.#namespace, name);
    this.#assertOpen();
    while (!signal.aborted) {
      const mirror = await this.#readForWatch(keys, signal);
      if (mirror === undefined) return;
      yield mirror.state();
      try {
        const request = { key: keys.all, rangeEnd: keys.allEnd, startRevision: mirror.revision + 1 };
        for await (const batch of this.#client.watch(request, { signal })) {
          if (mirror.apply(batch)) yield mirror.state();
        }
      } catch (error) {
        // Compacted before it was delivered: what counts is the state now.
        if (!ConclaveError.is(error, 'out-of-range')) throw error;
      }
    }
  }

  /** Revokes the sessions that are open, and closes the client if it is the store's own. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session[Symbol.asyncDispose]()));
    if (this.#ownsClient) await this.#client.close();
  }

  async #readAll(keys: ElectionKeys, options: StoreCallOptions): Promise<Mirror> {
    const response = await this.#client.range({ key: keys.all, rangeEnd: keys.allEnd }, options);
    return new Mirror(keys, response.kvs, response.header?.revision ?? 0);
  }

  /** Fails when the cluster cannot answer for a while: whoever watches must hear of it, and then watches again. */
  async #readForWatch(keys: ElectionKeys, signal: AbortSignal): Promise<Mirror | undefined> {
    try {
      return await this.#readAll(keys, { signal });
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  #check(options: SessionOptions): void {
    const { ttlMs, holder, releaseOnDisconnect } = options;
    const { minTtlMs, maxTtlMs } = this.capabilities;
    if (!(ttlMs >= minTtlMs && ttlMs <= maxTtlMs)) {
      const message = `A TTL of ${ttlMs} ms is out of range: ${this.description} takes ${minTtlMs} to ${maxTtlMs} ms.`;
      throw new ConclaveError('invalid-argument', message);
    }
    if (holder === '')
      throw new ConclaveError('invalid-argument', 'A session needs a holder that is not empty.');
    if (releaseOnDisconnect === undefined) return;
    if (!this.capabilities.connectionBound) {
      throw new ConclaveError('unsupported', `${this.description} cannot bind a session to its connection.`);
    }
    if (!(releaseOnDisconnect.graceMs >= 0)) {
      throw new ConclaveError(
        'invalid-argument',
        `A grace of ${releaseOnDisconnect.graceMs} ms is none; give 0 or more.`,
      );
    }
  }

  #assertOpen(): void {
    if (this.#closing !== undefined)
      throw new ConclaveError('closed', `${this.description}: the store is closed.`);
  }
}

/** An election's keys, kept up to date by a watch. */
class Mirror {
  readonly #keys: ElectionKeys;
  readonly #waiters = new Map<string, KeyValue>();
  #leader: KeyValue | undefined;
  revision: number;

  constructor(keys: ElectionKeys, kvs: readonly KeyValue[], revision: number) {
    this.#keys = keys;
    this.revision = revision;
    for (const kv of kvs) this.#set(kv.key, kv);
  }

  state(): ElectionState {
    return electionState(this.#keys, this.#leader, [...this.#waiters.values()], this.revision);
  }

  /** Whether something changed that a state shows. */
  apply(batch: {
    readonly events: readonly { type: number; kv: KeyValue | undefined }[];
    readonly revision: number;
  }): boolean {
    let changed = false;
    for (const { type, kv } of batch.events) {
      if (kv !== undefined && this.#set(kv.key, type === 0 ? kv : undefined)) changed = true;
    }
    this.revision = Math.max(this.revision, batch.revision);
    return changed;
  }

  #set(key: Uint8Array, kv: KeyValue | undefined): boolean {
    if (startsWith(key, this.#keys.queue)) {
      if (kv === undefined) this.#waiters.delete(bytesKey(key));
      else this.#waiters.set(bytesKey(key), kv);
      return true;
    }
    if (!equalBytes(key, this.#keys.leader)) return false;
    this.#leader = kv;
    return true;
  }
}

function checkNamespace(namespace: string): string {
  if (namespace !== '' && !loneSurrogate.test(namespace) && !namespace.endsWith('/')) return namespace;
  throw new ConclaveError(
    'invalid-argument',
    `"${namespace}" is no namespace: give text that does not end with "/".`,
  );
}
