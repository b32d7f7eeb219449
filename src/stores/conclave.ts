/**
 * The cluster as a lease store: sessions are leases of it, leaderships and places in the queue are keys under them.
 *
 * Guarantees: one leadership key for each election, created in the transaction that wins; its create revision is the
 * token, so tokens rise; waiters lead by priority, then in the order in which they came; a change wakes only who is
 * next.
 *
 * Must not: judge time or validity: that is the election loop's.
 */
import { type ConclaveClient, type ConnectOptions, connectClient } from '../client/index.ts';
import type {
  ElectionState,
  LeaseStore,
  SessionOptions,
  StoreCallOptions,
  StoreCapabilities,
  StoreSession,
} from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { ElectionsMirror } from './conclave/all-elections.ts';
import { type ElectionKeys, electionKeys, electionsRange, loneSurrogate } from './conclave/keys.ts';
import { ElectionMirror } from './conclave/mirror.ts';
import { ConclaveSession } from './conclave/session.ts';

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
  readonly #wideMirrors = new Set<ElectionsMirror>();
  /** Of the watches that run, by name: a session that resigns sees in them who waits, without asking. */
  readonly #mirrors = new Map<string, Set<ElectionMirror>>();
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
      recordsExpire: true,
      transactions: true,
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
        mirrorOf: (name) => this.#latestMirror(name),
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
      this.#show(name, mirror);
      try {
        yield mirror.state();
        const request = { key: keys.all, rangeEnd: keys.allEnd, startRevision: mirror.revision + 1 };
        for await (const batch of this.#client.watch(request, { signal })) {
          if (mirror.apply(batch)) yield mirror.state();
        }
      } catch (error) {
        // Compacted before it was delivered: what counts is the state now.
        if (!ConclaveError.is(error, 'out-of-range')) throw error;
      } finally {
        this.#hide(name, mirror);
      }
    }
  }

  async *watchAll(
    prefix: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<ReadonlyMap<string, ElectionState>, void, undefined> {
    const within = electionsRange(this.#namespace, prefix);
    this.#assertOpen();
    const mirror = new ElectionsMirror(this.#namespace);
    this.#wideMirrors.add(mirror);
    try {
      while (!signal.aborted) {
        try {
          const all = await this.#client.range(within, { signal });
          yield mirror.replace(all.kvs, all.header?.revision ?? 0);
          const request = { ...within, startRevision: mirror.revision + 1 };
          for await (const batch of this.#client.watch(request, { signal })) {
            const changed = mirror.apply(batch);
            if (changed.size > 0) yield changed;
          }
        } catch (error) {
          if (signal.aborted) return;
          // Compacted before it was delivered: what counts is the state now.
          if (!ConclaveError.is(error, 'out-of-range')) throw error;
        }
      }
    } finally {
      this.#wideMirrors.delete(mirror);
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

  #show(name: string, mirror: ElectionMirror): void {
    const shown = this.#mirrors.get(name);
    if (shown === undefined) this.#mirrors.set(name, new Set([mirror]));
    else shown.add(mirror);
  }

  #hide(name: string, mirror: ElectionMirror): void {
    const shown = this.#mirrors.get(name);
    shown?.delete(mirror);
    if (shown?.size === 0) this.#mirrors.delete(name);
  }

  #latestMirror(name: string): ElectionMirror | undefined {
    let latest: ElectionMirror | undefined;
    const wide = [...this.#wideMirrors].flatMap((mirror) => mirror.of(name) ?? []);
    for (const mirror of [...(this.#mirrors.get(name) ?? []), ...wide]) {
      if (latest === undefined || mirror.revision > latest.revision) latest = mirror;
    }
    return latest;
  }

  async #readAll(keys: ElectionKeys, options: StoreCallOptions): Promise<ElectionMirror> {
    const response = await this.#client.range({ key: keys.all, rangeEnd: keys.allEnd }, options);
    return new ElectionMirror(keys, response.kvs, response.header?.revision ?? 0);
  }

  /** Fails when the cluster cannot answer for a while: whoever watches must hear of it, and then watches again. */
  async #readForWatch(keys: ElectionKeys, signal: AbortSignal): Promise<ElectionMirror | undefined> {
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

function checkNamespace(namespace: string): string {
  if (namespace !== '' && !loneSurrogate.test(namespace) && !namespace.endsWith('/')) return namespace;
  throw new ConclaveError(
    'invalid-argument',
    `"${namespace}" is no namespace: give text that does not end with "/".`,
  );
}
