import { type Checker, type CheckerFactory, violated } from '../observation.ts';
import type { ElectionReports } from './reports.ts';

/** What the workload knows of its last round. */
export interface LastRound {
  /** What somebody still waits for, in words: `candidate-2 to lead`. */
  unfinished(): readonly string[];
}

class ElectionsComplete implements Checker {
  readonly name = 'elections-complete';
  readonly claim = "After all faults are healed, every candidate's election completes in bounded time.";
  readonly #reports: ElectionReports;
  readonly #round: LastRound;

  constructor(reports: ElectionReports, round: LastRound) {
    this.#reports = reports;
    this.#round = round;
  }

  ended(): void {
    const { healedUs } = this.#reports;
    const unfinished = this.#round.unfinished();
    if (unfinished.length === 0) return;
    const since = healedUs === undefined ? 'although nothing was healed yet' : `since ${healedUs / 1000} ms`;
    violated(this, `Still waited for, ${since}: ${unfinished.join('; ')}.`);
  }
}

/** Ask for the end no earlier than `limitMs` of the workload after `heal`. */
export function electionsCompleteChecker(reports: ElectionReports, round: LastRound): CheckerFactory {
  return () => new ElectionsComplete(reports, round);
}
