/** When a refusal of the store, of who we are or what we may do, is worth another try. */
import { ConclaveError } from '../errors/index.ts';
import type { Clock } from '../runtime/types.ts';
import { isPermanent } from './waiting.ts';

/** Passwords, roles and tables are changed in steps; who is refused for so long will not be let in by waiting. */
export const refusedForMs = 60_000;

/** Refusals that are so far apart are two: between them something worked, of which nobody needs to have told. */
const apartMs = refusedForMs / 2;

/**
 * Before anything has worked, a login that is refused is wrong, and so is what a store asks to be set up; the caller must
 * hear of it. Later they may be in the middle of a change: they are tried again for a minute.
 */
export class Refusals {
  readonly #clock: Clock;
  #worked = false;
  #sinceMs = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The store did all that it was asked. */
  worked(): void {
    this.#worked = true;
    this.#lastMs = Number.NEGATIVE_INFINITY;
  }

  /** It did a part of that: what is refused next was set up well before. */
  began(): void {
    this.#worked = true;
  }

  /** Whether trying again cannot help any more. */
  isFinal(error: unknown): boolean {
    if (!isRefusal(error)) return isPermanent(error);
    if (!this.#worked) return true;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lastMs > apartMs) this.#sinceMs = nowMs;
    this.#lastMs = nowMs;
    return nowMs - this.#sinceMs >= refusedForMs;
  }
}

/** What somebody else can mend: by 'failed-precondition' stores ask for that. */
function isRefusal(error: unknown): boolean {
  if (ConclaveError.is(error, 'failed-precondition')) return isPermanent(error);
  return ConclaveError.is(error, 'unauthenticated') || ConclaveError.is(error, 'permission-denied');
}
