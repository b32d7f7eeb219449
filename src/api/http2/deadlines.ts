import { Bag, type Bagged } from '../../collections/index.ts';
import type { Timer, Timers } from '../../runtime/types.ts';

/** What can be late. */
export interface Limited extends Bagged {
  /** On the monotonic clock. */
  readonly dueMs: number;
  expire(): void;
}

/** Timers fire no closer together than this: nearly all calls end long before their time. */
const coarsenessMs = 5;
/** With very many calls, further apart: each looks at all of them. */
const callsPerMs = 2000;

/** One timer for the deadlines of all calls. */
export class Deadlines {
  readonly #limited = new Bag<Limited>();
  readonly #nowMs: () => number;
  readonly #timers: Timers;
  #timer: Timer | undefined;
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(nowMs: () => number, timers: Timers) {
    this.#nowMs = nowMs;
    this.#timers = timers;
  }

  add(limited: Limited): void {
    this.#limited.add(limited);
    if (limited.dueMs < this.#armedMs) this.#arm(limited.dueMs);
  }

  remove(limited: Limited): void {
    this.#limited.delete(limited);
  }

  #arm(dueMs: number): void {
    this.#timer?.cancel();
    this.#armedMs = dueMs;
    const delayMs = Math.max(coarsenessMs, this.#limited.size / callsPerMs, dueMs - this.#nowMs());
    this.#timer = this.#timers.after(delayMs, () => this.#sweep(), { background: true });
  }

  #sweep(): void {
    this.#armedMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const limited of this.#limited.all()) {
      if (limited.dueMs > nowMs) {
        nextMs = Math.min(nextMs, limited.dueMs);
        continue;
      }
      this.#limited.delete(limited);
      limited.expire();
    }
    if (nextMs < this.#armedMs) this.#arm(nextMs);
  }
}
