/** Waits, for those who come next, until a leader that is bound to a connection ended it. */
import { ConclaveError } from '../../errors/index.ts';
import { pause } from '../../runtime/pause.ts';
import type { DriverCalls } from './calling.ts';
import type { BondMark } from './documents.ts';

/** Each takes a connection: so many at a time, and the others are seen to end by their time. */
const mostWatched = 4;
const againAfterMs = 1000;

export class BondWatches {
  readonly #calls: DriverCalls;
  readonly #onEnd: (session: string, bond: BondMark) => void;
  /** Of those that are watched. */
  #waiting = 0;
  readonly #watched = new Map<string, { readonly stop: AbortController; wanted: number }>();
  readonly #followed = new Map<object, { readonly session: string; readonly release: () => void }>();

  /** `onEnd`: its holder ended it; whether it did is all that is told. */
  constructor(calls: DriverCalls, onEnd: (session: string, bond: BondMark) => void) {
    this.#calls = calls;
    this.#onEnd = onEnd;
  }

  /** `view` waits for the end of this session, and of no other; undefined: of none. */
  follow(view: object, session: string | undefined, bond?: BondMark): void {
    const wanted = bond && session;
    const before = this.#followed.get(view);
    if (before?.session === wanted) return;
    before?.release();
    this.#followed.delete(view);
    const release = bond && session !== undefined ? this.#watch(session, bond) : undefined;
    if (session !== undefined && release !== undefined) this.#followed.set(view, { session, release });
  }

  /** The function that ends it; undefined: too many are watched already. */
  #watch(session: string, bond: BondMark): (() => void) | undefined {
    let watched = this.#watched.get(session);
    if (watched === undefined) {
      if (this.#waiting >= mostWatched) return undefined;
      watched = { stop: new AbortController(), wanted: 0 };
      this.#watched.set(session, watched);
      void this.#wait(session, bond, AbortSignal.any([watched.stop.signal, this.#calls.closed]));
    }
    const shared = watched;
    shared.wanted += 1;
    return () => {
      shared.wanted -= 1;
      if (shared.wanted > 0) return;
      this.#watched.delete(session);
      shared.stop.abort();
    };
  }

  /** Never rejects. Where nobody can tell, the session's time says when it is over. */
  async #wait(session: string, bond: BondMark, signal: AbortSignal): Promise<void> {
    this.#waiting += 1;
    for (let over = false; !over; ) {
      try {
        const ended = await this.#calls.driver.bonds?.endedByHolder(session, bond.mark, signal);
        if (ended && !signal.aborted) this.#onEnd(session, bond);
        over = true;
      } catch (error) {
        // Each try is one more connection, which would be none that can tell.
        over = signal.aborted || ConclaveError.is(error, 'unsupported');
        if (!over) await pause(this.#calls.runtime.timers, againAfterMs, signal);
      }
    }
    this.#waiting -= 1;
  }
}
