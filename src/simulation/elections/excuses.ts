import type { Breaks } from '../network/index.ts';
import type { LifeSight } from '../observation.ts';
import type { ElectionReports, Hold } from './reports.ts';
import { longestTtlMs } from './settings.ts';

export interface OneHolderOptions {
  /**
   * Whether this process's side of a connection broke without its knowing, since it stands still, or was told late, no longer
   * ago than the longest grace: its system says that it is gone, and leases bound to a connection end. Default: never.
   */
  readonly oneSided?: (process: object) => boolean;
}

/** No session that is bound to a connection outlives a break by more than its TTL, which clocks may run slow for. */
const longestUs = longestTtlMs * 1100;

export function excusedBy(breaks: Pick<Breaks, 'late'>): OneHolderOptions {
  return { oneSided: (process) => breaks.late(process, longestUs) };
}

/** Below it a difference of clock readings is rounding. */
const roundingMs = 0.001;

/** When two that hold at once break no promise: only fencing is safe then (docs/guides/guarantees.md). */
export class Excuses {
  readonly #life: Pick<LifeSight, 'clockDriftRate'>;
  readonly #reports: ElectionReports;
  readonly #oneSided: (process: object) => boolean;

  constructor(
    life: Pick<LifeSight, 'clockDriftRate'>,
    reports: ElectionReports,
    options: OneHolderOptions = {},
  ) {
    this.#life = life;
    this.#reports = reports;
    this.#oneSided = options.oneSided ?? (() => false);
  }

  cover(hold: Hold): boolean {
    return (hold.bound && this.#oneSided(hold.process)) || this.#clocksLie(hold);
  }

  /**
   * A host that slept, so that its monotonic clock stood still, and whose wall clock was set back as well: then
   * neither clock tells how long it was, which only fencing is safe against.
   */
  #clocksLie({ process }: Hold): boolean {
    const now = this.#reports.reading(process);
    return this.#reports.countedFrom(process).some((from) => {
      const measuredMs = Math.max(now.monotonicMs - from.monotonicMs, now.wallMs - from.wallMs);
      const trueMs = (now.atUs - from.atUs) / 1000;
      return measuredMs + roundingMs < trueMs * (1 - this.#life.clockDriftRate);
    });
  }
}
