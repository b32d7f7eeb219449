import type { Clock } from '../runtime/types.ts';

/** A membership that never becomes quiet is followed all the same, after this many times `settleMs`. */
const mostSettling = 10;

/** When those who joined are to be given partitions: once nobody has joined for `settleMs`. */
export class Settling {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #settleMs: number;
  #joining = '';
  #sinceMs = 0;
  #quietSinceMs = 0;

  constructor(clock: Pick<Clock, 'monotonicMs'>, settleMs: number) {
    this.#clock = clock;
    this.#settleMs = settleMs;
  }

  /** In how many milliseconds these are to be given partitions; 0: now. */
  look(joining: readonly string[]): number {
    const nowMs = this.#clock.monotonicMs();
    const text = joining.toSorted().join('\n');
    if (this.#joining === '') this.#sinceMs = nowMs;
    if (text !== this.#joining) this.#quietSinceMs = nowMs;
    this.#joining = text;
    const dueMs = Math.min(
      this.#quietSinceMs + this.#settleMs,
      this.#sinceMs + mostSettling * this.#settleMs,
    );
    return Math.max(0, dueMs - nowMs);
  }
}
