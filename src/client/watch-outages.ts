import { ConclaveError } from '../errors/index.ts';
import type { Timer, Timers } from '../runtime/types.ts';

/** A watch that is to fail where no member has served it for so long. */
export interface Impatient {
  readonly outageMs: number;
  fail(error: ConclaveError): void;
}

/** Since when no member serves the watches of a client, and who is to hear of it. A member replaced in time is no outage. */
export class WatchOutages {
  readonly #timers: Timers;
  readonly #endpoints: readonly string[];
  readonly #waiting = new Map<Impatient, Timer | undefined>();
  #served = false;
  /** Why no member does; undefined: none was asked yet. */
  #reason: ConclaveError | undefined;

  constructor(timers: Timers, endpoints: readonly string[]) {
    this.#timers = timers;
    this.#endpoints = endpoints;
  }

  add(watch: Impatient): void {
    this.#waiting.set(watch, this.#served ? undefined : this.#arm(watch));
  }

  remove(watch: Impatient): void {
    this.#waiting.get(watch)?.cancel();
    this.#waiting.delete(watch);
  }

  served(): void {
    this.#reason = undefined;
    if (this.#served) return;
    this.#served = true;
    for (const [watch, timer] of this.#waiting) {
      timer?.cancel();
      this.#waiting.set(watch, undefined);
    }
  }

  /** Without a reason the one that is known stays. */
  broke(reason: ConclaveError | undefined): void {
    this.#reason = reason ?? this.#reason;
    if (!this.#served) return;
    this.#served = false;
    for (const watch of this.#waiting.keys()) this.#waiting.set(watch, this.#arm(watch));
  }

  #arm(watch: Impatient): Timer {
    return this.#timers.after(
      watch.outageMs,
      () => {
        this.#waiting.delete(watch);
        const why = this.#reason === undefined ? '' : ` The last attempt failed: ${this.#reason.message}`;
        const message = `Nothing that is watched at ${this.#endpoints.join(', ')} was served for ${watch.outageMs} ms.${why}`;
        watch.fail(new ConclaveError('unavailable', message, { retryable: true, cause: this.#reason }));
      },
      { background: true },
    );
  }
}
