import type { LifeSight } from '../observation.ts';
import type { ElectionReports, Hold } from './reports.ts';

export interface OneHolderOptions {
  /**
   * Whether something between this host and others cuts or fakes one side of a connection only, or did so until no longer ago
   * than the longest TTL and grace: leases bound to a connection promise nothing then. Default: never.
   */
  readonly oneSided?: (host: object) => boolean;
}

/** Below it a difference of clock readings is rounding. */
const roundingMs = 0.001;

/** When two that hold at once break no promise: only fencing is safe then (docs/guides/guarantees.md). */
export class Excuses {
  readonly #life: Pick<LifeSight, 'clockDriftRate'>;
  readonly #reports: ElectionReports;
  readonly #oneSided: (host: object) => boolean;

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
    return (hold.bound && this.#oneSided(hold.process.host)) || this.#clocksLie(hold);
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
