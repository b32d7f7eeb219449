/** A session that is opened again whenever it was lost. One of them can carry any number of names. */
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { Claims } from './claims.ts';
import { type ElectionEvent, publish } from './events.ts';
import { LiveSession } from './live-session.ts';
import {
  checkStore,
  type ElectionSessionOptions,
  resolveSessionSettings,
  type SessionSettings,
  sessionOptionNames,
} from './options.ts';
import { Refusals } from './refusals.ts';
import type { LeaseStore, StoreSession } from './store.ts';
import { readMoment } from './validity.ts';
import { backoffMs, callBounded, sleep } from './waiting.ts';

type Trouble = Pick<ElectionEvent & { readonly type: 'trouble' }, 'what' | 'error'>;

interface Opening {
  readonly result: Promise<LiveSession>;
  readonly stop: AbortController;
  /** How many calls wait for it. */
  waiting: number;
}

/**
 * Keeps one session alive at the store for all names that use it, so that a thousand names cost one renewal.
 * Opens it when first asked; after a loss, when next asked.
 *
 * @throws 'invalid-argument' or 'unsupported' from the constructor, before anything has an effect.
 */
export class Session implements AsyncDisposable {
  readonly store: LeaseStore;
  /** Shared with the candidates that use this session. */
  readonly settings: SessionSettings;
  /** @internal */
  readonly claims = new Claims();
  readonly #closing = new AbortController();
  readonly #refusals: Refusals;
  #live: LiveSession | undefined;
  #opening: Opening | undefined;
  #trouble: Trouble | undefined;

  constructor(store: LeaseStore, options: ElectionSessionOptions = {}) {
    checkStore(store);
    checkNames('The options of a session', options, sessionOptionNames);
    this.store = store;
    const settings = resolveSessionSettings(store, options);
    const onEvent = (event: ElectionEvent): unknown => {
      this.#hear(event);
      return settings.onEvent?.(event);
    };
    this.settings = { ...settings, onEvent };
    this.#refusals = new Refusals(settings.runtime.clock);
  }

  get holder(): string {
    return this.settings.holder;
  }

  /** @internal What failed last and was not seen to work since, for those who give up waiting. */
  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /**
   * The session, opened if need be; keeps trying while the store is down.
   * @throws 'aborted', 'closed', or an error of the store that trying again cannot cure. 'unauthenticated',
   * 'permission-denied' and 'failed-precondition' are such at first, and after a session that was open when they have lasted
   * for a minute.
   */
  async live(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<LiveSession> {
    if (this.#closing.signal.aborted) throw this.#closedError();
    if (options.signal?.aborted) throw ConclaveError.aborted('Opening a session', options.signal);
    if (this.#live?.check()) return this.#live;
    this.#opening ??= this.#startOpening();
    return await this.#awaitOpening(this.#opening, options.signal);
  }

  /** Closes the session at the store: all its names are released. Leaderships under it end with cause 'closed'. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(this.#closedError());
    this.#opening?.stop.abort(this.#closedError());
    await this.#opening?.result.catch(() => {});
    await this.#live?.close();
  }

  #startOpening(): Opening {
    const stop = new AbortController();
    const result = this.#open(stop.signal).then((live) => {
      this.#live = live;
      this.#trouble = undefined;
      return live;
    });
    const opening = { result, stop, waiting: 0 };
    const done = () => {
      if (this.#opening === opening) this.#opening = undefined;
    };
    result.then(done, done);
    return opening;
  }

  /** Goes on for as long as somebody waits for it. */
  #awaitOpening(opening: Opening, signal: AbortSignal | undefined): Promise<LiveSession> {
    opening.waiting += 1;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        opening.waiting -= 1;
        if (opening.waiting === 0) {
          if (this.#opening === opening) this.#opening = undefined;
          opening.stop.abort(signal?.reason);
        }
        reject(ConclaveError.aborted('Opening a session', signal));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      opening.result
        .then(resolve, (error: unknown) => reject(this.#closing.signal.aborted ? this.#closedError() : error))
        .finally(() => signal?.removeEventListener('abort', onAbort));
    });
  }

  #hear(event: ElectionEvent): void {
    if (event.type === 'trouble') this.#trouble = event;
    if (event.type === 'renewed') this.#trouble = undefined;
  }

  async #open(signal: AbortSignal): Promise<LiveSession> {
    const { runtime, ttlMs, holder, releaseOnDisconnect, onEvent } = this.settings;
    const what = 'Opening a session';
    for (let attempt = 1; ; attempt++) {
      const sentAt = readMoment(runtime.clock);
      let failure: unknown;
      try {
        const bounds = { what, timeoutMs: Math.min(ttlMs, 5000), signal, onLate: abandon };
        const stored = await callBounded(runtime, bounds, (options) =>
          this.store.openSession({
            ...options,
            ttlMs,
            holder,
            ...(releaseOnDisconnect && { releaseOnDisconnect }),
          }),
        );
        const live = new LiveSession(this.store, stored, this.settings, sentAt);
        if (signal.aborted) void live.close();
        else if (live.check()) {
          this.#refusals.worked();
          return live;
        }
        const reason =
          live.cause === 'disconnected' ? 'its connection broke' : `it took longer than ${ttlMs} ms`;
        failure = new ConclaveError('unavailable', `${what}: ${reason}.`, { retryable: true });
      } catch (error) {
        failure = error;
      }
      if (signal.aborted) throw ConclaveError.aborted(what, signal);
      if (this.#refusals.isFinal(failure)) throw failure;
      const retryInMs = backoffMs(runtime.random, attempt - 1, 50, Math.min(2000, ttlMs));
      publish(
        { type: 'trouble', holder, store: this.store.description, what, error: failure, attempt, retryInMs },
        onEvent,
      );
      await sleep(runtime, retryInMs, signal);
    }
  }

  #closedError(): ConclaveError {
    return new ConclaveError(
      'closed',
      `The session of ${this.holder} at ${this.store.description} is closed.`,
    );
  }
}

/** A session whose answer came too late: nobody will renew it. */
function abandon(stored: StoreSession): void {
  void (async () => stored[Symbol.asyncDispose]())().catch(() => {});
}
