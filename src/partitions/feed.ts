/**
 * The states of the elections of one name, kept current. One watch for all of them where the store has `watchAll`, so
 * that neither a router nor a thousand leaderships cost a watch each; else one for each election that is followed.
 */
import { publish } from '../election/events.ts';
import type { ElectionState, EventListener, LeaseStore } from '../election/index.ts';
import { backoffMs, sleep } from '../election/waiting.ts';
import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';

export interface Seen {
  readonly state: ElectionState;
  /** By the wall clock: when this state arrived. */
  readonly arrivedMs: number;
  /** By the wall clock: when this leader, or that there is none, was first seen. */
  readonly leaderSinceMs: number;
}

export interface FeedOptions {
  readonly store: LeaseStore;
  readonly prefix: string;
  readonly runtime: Runtime;
  readonly holder: string;
  readonly onEvent: EventListener | undefined;
}

interface Following {
  count: number;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

const nothing: ElectionState = { leader: undefined, version: 0, waiting: [], record: undefined };

export class StateFeed implements AsyncDisposable {
  /** Every election is followed. */
  readonly whole: boolean;
  readonly #options: FeedOptions;
  readonly #stop = new AbortController();
  readonly #seen = new Map<string, Seen>();
  readonly #following = new Map<string, Following>();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #running: Promise<void>;
  #wholeSeen = false;
  #broken = new Set<string>();

  constructor(options: FeedOptions) {
    this.#options = options;
    this.whole = options.store.watchAll !== undefined;
    this.#running = this.whole ? this.#keep(options.prefix, () => this.#watchWhole()) : Promise.resolve();
  }

  /** undefined: not known yet, or not followed. */
  get(name: string): Seen | undefined {
    const seen = this.#seen.get(name);
    if (seen !== undefined || !this.#wholeSeen) return seen;
    const nowMs = this.#options.runtime.clock.wallMs();
    return { state: nothing, arrivedMs: nowMs, leaderSinceMs: nowMs };
  }

  /** Whether the watch behind it is up, as far as is known. */
  isCurrent(name: string): boolean {
    return this.get(name) !== undefined && !this.#broken.has(this.whole ? this.#options.prefix : name);
  }

  /** Keeps this election current until the function that it returns is called. */
  follow(name: string): () => void {
    if (this.whole || this.#stop.signal.aborted) return () => {};
    let following = this.#following.get(name);
    if (following === undefined) {
      const stop = new AbortController();
      following = {
        count: 0,
        stop,
        ended: this.#keep(name, () => this.#watchOne(name, stop.signal), stop.signal),
      };
      this.#following.set(name, following);
    }
    following.count += 1;
    const own = following;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      own.count -= 1;
      if (own.count > 0) return;
      own.stop.abort();
      if (this.#following.get(name) === own) this.#following.delete(name);
      this.#seen.delete(name);
    };
  }

  /** Called after each change of this election; also when the feed stops. Must not throw. */
  on(name: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(name) === listeners) this.#listeners.delete(name);
    };
  }

  /** Resolves at the next change of this election, when the signal aborts or after the time. Never rejects. */
  async changed(name: string, signal: AbortSignal, timeoutMs = 86_400_000): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const wake = new AbortController();
    // Stopping tells, too: a listener of each of thousands on one signal would make each of them slow.
    const off = this.on(name, () => wake.abort());
    await sleep(this.#options.runtime, timeoutMs, wake.signal, signal);
    off();
  }

  /** Resolves when it is so, when the signal aborts or after the time. Never rejects. */
  async until(name: string, isSo: () => boolean, signal: AbortSignal, timeoutMs: number): Promise<void> {
    const { clock } = this.#options.runtime;
    const endMs = clock.monotonicMs() + timeoutMs;
    for (;;) {
      const leftMs = endMs - clock.monotonicMs();
      if (isSo() || leftMs <= 0 || signal.aborted || this.#stop.signal.aborted) return;
      await this.changed(name, signal, leftMs);
    }
  }

  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const name of [...this.#listeners.keys()]) this.#tell(name);
    const following = [...this.#following.values()];
    for (const { stop } of following) stop.abort();
    await Promise.all([this.#running, ...following.map(({ ended }) => ended)]);
  }

  async #watchWhole(): Promise<void> {
    const { store, prefix } = this.#options;
    let first = true;
    for await (const states of store.watchAll?.(prefix, { signal: this.#stop.signal }) ?? []) {
      if (this.#stop.signal.aborted) return;
      this.#broken.delete(prefix);
      if (first) {
        for (const [name, { state }] of this.#seen) {
          if (!states.has(name)) this.#take(name, { ...nothing, version: state.version });
        }
      }
      const news = first && !this.#wholeSeen;
      first = false;
      this.#wholeSeen = true;
      for (const [name, state] of states) this.#take(name, state);
      if (news) for (const name of [...this.#listeners.keys()]) this.#tell(name);
    }
  }

  async #watchOne(name: string, signal: AbortSignal): Promise<void> {
    for await (const state of this.#options.store.watch(name, { signal })) {
      if (signal.aborted || this.#stop.signal.aborted) return;
      this.#broken.delete(name);
      this.#take(name, state);
    }
  }

  /** A new watch may be served by a replica that lags: what it shows is no news. */
  #take(name: string, state: ElectionState): void {
    const { store, runtime } = this.#options;
    const before = this.#seen.get(name);
    const isLinearizable = store.capabilities.consistency === 'linearizable';
    if (before !== undefined && isLinearizable && state.version < before.state.version) return;
    const arrivedMs = runtime.clock.wallMs();
    const isSame = before !== undefined && before.state.leader?.token === state.leader?.token;
    this.#seen.set(name, { state, arrivedMs, leaderSinceMs: isSame ? before.leaderSinceMs : arrivedMs });
    this.#tell(name);
  }

  #tell(name: string): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener();
  }

  /** Watches again whatever happens, until it is stopped. */
  async #keep(what: string, watch: () => Promise<void>, signal = this.#stop.signal): Promise<void> {
    const { store, runtime, holder, onEvent } = this.#options;
    for (let attempt = 1; !signal.aborted && !this.#stop.signal.aborted; attempt++) {
      let error: unknown = new ConclaveError('unavailable', 'The store ended the watch.', {
        retryable: true,
      });
      this.#broken.add(what);
      try {
        await watch();
      } catch (cause) {
        error = cause;
      }
      if (signal.aborted || this.#stop.signal.aborted) break;
      if (!this.#broken.has(what)) attempt = 1;
      this.#broken.add(what);
      const retryInMs = backoffMs(runtime.random, attempt - 1, 50, 5000);
      const trouble = { holder, store: store.description, what: `Watching ${JSON.stringify(what)}` };
      publish({ type: 'trouble', ...trouble, error, attempt, retryInMs }, onEvent);
      await sleep(runtime, retryInMs, signal, this.#stop.signal);
    }
    this.#broken.delete(what);
  }
}
