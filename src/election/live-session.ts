/** One session at the store, from opening to its end: renewed in the background, its validity tracked. */
import { ConclaveError } from '../errors/index.ts';
import { publish } from './events.ts';
import type { SessionSettings } from './options.ts';
import type { LeaseStore, StoreCallOptions, StoreSession } from './store.ts';
import { elapsedMs, type Moment, readMoment, Validity } from './validity.ts';
import { backoffMs, callBounded, sleep } from './waiting.ts';

/** Why a session cannot be relied on any more; see `LossCause`. */
export type SessionLoss = 'expired' | 'lease-lost' | 'disconnected' | 'closed';

/**
 * Guarantees: `lost` aborts on a loop that turns before the store can let somebody else in, and once lost, a session
 * stays lost. `remainingMs()` and `check()` read the clocks at the point of use, for loops that were blocked.
 */
export class LiveSession {
  readonly stored: StoreSession;
  readonly #store: LeaseStore;
  readonly #settings: SessionSettings;
  readonly #validity: Validity;
  readonly #lost = new AbortController();
  readonly #holds = new Set<Promise<unknown>>();
  readonly #ended: Promise<void>;
  #finishEnding: () => void = () => {};
  #cause: SessionLoss | undefined;

  /** `sentAt`: read before the request that opened it was sent. */
  constructor(store: LeaseStore, stored: StoreSession, settings: SessionSettings, sentAt: Moment) {
    this.stored = stored;
    this.#store = store;
    this.#settings = settings;
    const { runtime, clockDriftRate, releaseOnDisconnect } = settings;
    this.#validity = new Validity(
      {
        clock: runtime.clock,
        ttlMs: stored.ttlMs,
        clockDriftRate,
        ...(releaseOnDisconnect && { disconnectGraceMs: releaseOnDisconnect.graceMs }),
      },
      sentAt,
    );
    this.#ended = new Promise((resolve) => {
      this.#finishEnding = resolve;
    });
    const unsubscribe = stored.connection?.subscribe((state) => this.#connectionChanged(state));
    if (unsubscribe) this.lost.addEventListener('abort', unsubscribe, { once: true });
    if (this.lost.aborted) unsubscribe?.();
    void this.#watchClock(() => true);
    void this.#keepRenewing(sentAt);
  }

  /** Aborts when the session is lost or closed. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get cause(): SessionLoss | undefined {
    return this.#cause;
  }

  /** At most zero once lost. */
  remainingMs(): number {
    return this.#cause === undefined
      ? this.#validity.remainingMs()
      : Math.min(0, this.#validity.remainingMs());
  }

  validUntilMs(): number {
    return this.#settings.runtime.clock.monotonicMs() + this.remainingMs();
  }

  /** Reads the clocks; ends the session here and now if it has run out. */
  check(): boolean {
    if (this.#cause === undefined && this.#validity.remainingMs() <= 0) {
      this.lose(this.#validity.disconnected ? 'disconnected' : 'expired');
    }
    return this.#cause === undefined;
  }

  /**
   * A call on this session, bounded in time. It goes on when the session is lost meanwhile: its answer may say
   * what became of a leadership.
   */
  call<T>(
    what: string,
    signal: AbortSignal | undefined,
    call: (options: StoreCallOptions) => Promise<T>,
  ): Promise<T> {
    const { runtime, renewEveryMs } = this.#settings;
    return callBounded(runtime, { what, timeoutMs: renewEveryMs, signal }, call);
  }

  /** Delays the closing at the store, which frees its names: a job is still running under it. */
  holdOpen(until: Promise<unknown>): void {
    this.#holds.add(until);
    const done = () => this.#holds.delete(until);
    until.then(done, done);
  }

  lose(cause: SessionLoss): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    this.#lost.abort(
      new ConclaveError('lease-lost', `The session at ${this.#store.description} ended: ${cause}.`),
    );
    void this.#closeAtStore();
  }

  /** Ends it; resolves when the store confirmed that, or did not answer in time. Idempotent; never rejects. */
  close(): Promise<void> {
    this.lose('closed');
    return this.#ended;
  }

  /** Also after a loss: the store may think that it lives, and its names would wait for that to run out. */
  async #closeAtStore(): Promise<void> {
    while (this.#holds.size > 0) await Promise.allSettled([...this.#holds]);
    const { runtime, renewEveryMs } = this.#settings;
    const timeoutMs = Math.min(renewEveryMs, 5000);
    await callBounded(runtime, { what: 'Closing the session', timeoutMs }, async () => {
      await this.stored[Symbol.asyncDispose]();
    }).catch(() => {});
    this.#finishEnding();
  }

  #connectionChanged(state: 'attached' | 'broken'): void {
    const wasDisconnected = this.#validity.disconnected;
    if (state === 'broken') this.#validity.disconnect();
    else this.#validity.reconnect();
    // A break shortens the validity between two looks of the other watch.
    if (this.check() && state === 'broken' && !wasDisconnected) {
      void this.#watchClock(() => this.#validity.disconnected);
    }
  }

  /** Ends it in time; looks more often than the lease needs, to see on the wall clock that the host slept. */
  async #watchClock(needed: () => boolean): Promise<void> {
    const coarseMs = Math.min(1000, Math.max(20, this.stored.ttlMs / 10));
    while (this.check() && needed()) {
      await sleep(this.#settings.runtime, Math.min(this.#validity.remainingMs(), coarseMs), this.lost);
    }
  }

  async #keepRenewing(openingSentAt: Moment): Promise<void> {
    const { runtime, renewEveryMs, holder, onEvent } = this.#settings;
    const jitteredMs = () => renewEveryMs * (0.9 + runtime.random.unit() / 5);
    let failures = 0;
    let delayMs = this.#untilRenewalMs(jitteredMs(), openingSentAt);
    for (;;) {
      await sleep(runtime, delayMs, this.lost);
      if (!this.check()) return;
      const sentAt = readMoment(runtime.clock);
      try {
        // An attempt that hangs must leave time for others.
        const timeoutMs = Math.min(renewEveryMs, Math.max(50, this.#validity.remainingMs() / 2));
        const bounds = { what: 'Renewing the session', timeoutMs, signal: this.lost };
        await callBounded(runtime, bounds, (options) => this.stored.renew(options));
        this.#validity.extend(sentAt);
        if (!this.check()) return;
        failures = 0;
        delayMs = this.#untilRenewalMs(jitteredMs(), sentAt);
        const remainingMs = this.remainingMs();
        publish({ type: 'renewed', holder, session: this.stored.id, remainingMs }, onEvent);
      } catch (error) {
        if (ConclaveError.is(error, 'lease-lost')) return this.lose('lease-lost');
        if (!this.check()) return;
        delayMs = backoffMs(runtime.random, failures, renewEveryMs / 10, renewEveryMs / 2);
        failures += 1;
        this.#reportTrouble('Renewing the session', error, failures, delayMs);
      }
    }
  }

  /**
   * Counted from a quick answer. From the request, as the lease is, where the answer came late: else little of the lease
   * is left then, or it ends before. Never more often than planned.
   */
  #untilRenewalMs(plannedMs: number, sentAt: Moment): number {
    const answeredInMs = elapsedMs(this.#settings.runtime.clock, sentAt);
    return answeredInMs > this.stored.ttlMs / 20 ? Math.max(0, plannedMs - answeredInMs) : plannedMs;
  }

  #reportTrouble(what: string, error: unknown, attempt: number, retryInMs: number): void {
    const { holder, onEvent } = this.#settings;
    publish(
      { type: 'trouble', holder, store: this.#store.description, what, error, attempt, retryInMs },
      onEvent,
    );
  }
}
