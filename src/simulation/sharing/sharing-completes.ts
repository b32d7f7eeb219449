import type { LastRound } from '../elections/index.ts';
import { type Checker, type CheckerFactory, violated } from '../observation.ts';
import type { SharingReports } from './reports.ts';

class SharingCompletes implements Checker {
  readonly name = 'sharing-completes';
  readonly claim =
    'After all faults are healed, who calls an operation is told its outcome, who waits for a permit or a lock gets it, and who leads appends, in bounded time.';
  readonly #reports: SharingReports;
  readonly #round: LastRound;

  constructor(reports: SharingReports, round: LastRound) {
    this.#reports = reports;
    this.#round = round;
  }

  settled(): void {
    this.#reports.elections.throwViolation();
  }

  ended(): void {
    const unfinished = this.#round.unfinished();
    if (unfinished.length > 0) violated(this, `Still waited for: ${unfinished.join('; ')}.`);
  }
}

/** After `partitionsBalancedChecker`, which tells more where it is about partitions. */
export function sharingCompletesChecker(reports: SharingReports, round: LastRound): CheckerFactory {
  return () => new SharingCompletes(reports, round);
}
