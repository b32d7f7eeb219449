/** When a refusal of the store, of who we are or what we may do, is worth another try. */
import { ConclaveError } from '../errors/index.ts';
import type { Clock } from '../runtime/types.ts';
import { isPermanent } from './waiting.ts';

/** Passwords and roles are changed in steps; who is refused for so long will not be let in by waiting. */
export const refusedForMs = 60_000;

/**
 * Before anything has worked, credentials that are refused are wrong, and the caller must hear of it. Later they may be in
 * the middle of a change: they are tried again for a minute.
 */
export class Refusals {
  readonly #clock: Clock;
  #worked = false;
  #sinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The store did what it was asked. */
  worked(): void {
    this.#worked = true;
    this.#sinceMs = undefined;
  }

  /** Whether trying again cannot help any more. */
  isFinal(error: unknown): boolean {
    const refused =
      ConclaveError.is(error, 'unauthenticated') || ConclaveError.is(error, 'permission-denied');
    if (!refused) return isPermanent(error);
    if (!this.#worked) return true;
    const nowMs = this.#clock.monotonicMs();
    this.#sinceMs ??= nowMs;
    return nowMs - this.#sinceMs >= refusedForMs;
  }
}
