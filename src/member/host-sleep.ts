import type { Clock } from '../runtime/types.ts';

/** The wall clock counts whole milliseconds, and is slewed now and then. */
const noticedMs = 5;

/**
 * Notices that the host slept: its monotonic clock stood still meanwhile, as Linux's does, and the wall clock did not.
 * A wall clock that is set ahead looks the same, and one that is set back at that moment hides it.
 */
export class HostSleep {
  readonly #clock: Clock;
  #aheadMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#aheadMs = clock.wallMs() - clock.monotonicMs();
  }

  /** For how long it slept since this was last asked; 0: it did not. */
  sinceLastMs(): number {
    const aheadMs = this.#clock.wallMs() - this.#clock.monotonicMs();
    const sleptMs = aheadMs - this.#aheadMs;
    this.#aheadMs = aheadMs;
    return sleptMs > noticedMs ? sleptMs : 0;
  }
}
