/** Becoming the owner of an operation, or seeing its outcome first. */

import { publish } from '../../election/events.ts';
import type { AcquiredOutcome, AcquireOutcome, LiveSession, Session } from '../../election/index.ts';
import { waitForTurn } from '../../election/turn.ts';
import { backoffMs, isPermanent, sleep } from '../../election/waiting.ts';
import { withdrawOnSession } from '../../election/withdrawing.ts';
import { ConclaveError } from '../../errors/index.ts';
import { finalRecord, type Place, watchUntil } from './place.ts';

export type Claimed =
  | {
      readonly status: 'owned';
      readonly live: LiveSession;
      readonly token: number;
      readonly record: Uint8Array | undefined;
    }
  | { readonly status: 'settled'; readonly outcome: Uint8Array };

/** One caller's part in the election of an operation, on a session that may be shared. */
export class Claim {
  readonly #place: Place;
  readonly #session: Session;
  /** Attempts whose answers have not come, also if nobody waits for them any more. */
  readonly #acquiring = new Set<Promise<unknown>>();
  /** On which there may be a place in the queue, or a leadership that nobody was told of. */
  #joined: LiveSession | undefined;

  constructor(place: Place, session: Session) {
    this.#place = place;
    this.#session = session;
  }

  /** Waits in the queue, and watches for an outcome meanwhile. @throws 'aborted', and what trying cannot cure. */
  async win(signal: AbortSignal | undefined): Promise<Claimed> {
    const { runtime, onEvent, holder, renewEveryMs } = this.#place.settings;
    for (let failures = 0; ; ) {
      const live = await this.#session.live({ signal });
      try {
        const claimed = await this.#tryOn(live, signal);
        if (claimed !== undefined) return claimed;
        failures = 0;
      } catch (error) {
        if (ConclaveError.is(error, 'lease-lost')) live.lose('lease-lost');
        else if (!signal?.aborted && live.check()) {
          if (isPermanent(error)) throw error;
          const retryInMs = backoffMs(runtime.random, failures, Math.min(50, renewEveryMs / 4), renewEveryMs);
          failures += 1;
          const [what, store] = [this.#what, this.#place.store.description];
          publish({ type: 'trouble', holder, store, what, error, attempt: failures, retryInMs }, onEvent);
          await sleep(runtime, retryInMs, live.lost, ...(signal ? [signal] : []));
        }
      }
      if (signal?.aborted) throw ConclaveError.aborted(this.#what, signal);
    }
  }

  /** The leadership was released, with an answer: what is left are attempts whose answers never came. */
  released(): void {
    if (this.#acquiring.size === 0) this.#joined = undefined;
  }

  /**
   * Leaves no place in the queue and no leadership behind on a shared session; where an answer is late, in the
   * background, between others that use the name. Never rejects.
   */
  async leave(): Promise<void> {
    const live = this.#joined;
    if (live === undefined) return;
    const answered = Promise.allSettled([...this.#acquiring]).then(() => {});
    await withdrawOnSession({ ...this.#place, live }, this.#place.name, answered, this.#session.claims);
  }

  get #what(): string {
    return `Waiting for operation ${JSON.stringify(this.#place.name)}`;
  }

  /** undefined: look again. */
  async #tryOn(live: LiveSession, signal: AbortSignal | undefined): Promise<Claimed | undefined> {
    for (let vainWakes = 0; ; ) {
      const outcome = await this.#acquire(live, signal);
      if (outcome.status === 'acquired') return this.#owned(live, outcome);
      const { name, settings } = this.#place;
      const settled = (until: AbortSignal) =>
        watchUntil(this.#place, until, ({ record }) => finalRecord(name, record));
      const turn = await waitForTurn(live, settings, { name, outcome, vainWakes }, signal, settled);
      if (turn.found !== undefined) return { status: 'settled', outcome: turn.found };
      if (signal?.aborted || !live.check()) return undefined;
      if (turn.given) return this.#owned(live, turn.given);
      vainWakes = turn.soon ? vainWakes + 1 : 0;
    }
  }

  #owned(live: LiveSession, { token, record }: AcquiredOutcome): Claimed | undefined {
    // The answer may have taken long: check our own lease before saying that we won.
    return live.check() ? { status: 'owned', live, token, record } : undefined;
  }

  #acquire(live: LiveSession, signal: AbortSignal | undefined): Promise<AcquireOutcome> {
    this.#joined = live;
    return live.call(this.#what, signal, ({ timeoutMs }) => {
      // Without the signal: who gives up must first learn what became of it.
      const limit = timeoutMs === undefined ? {} : { timeoutMs };
      const acquiring = live.stored.acquire(this.#place.name, { ...limit, metadata: '', priority: 0 });
      this.#acquiring.add(acquiring);
      const done = () => this.#acquiring.delete(acquiring);
      acquiring.then(done, done);
      return acquiring;
    });
  }
}
