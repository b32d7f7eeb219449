import { type Checker, type CheckerFactory, type LifeSight, violated } from '../observation.ts';
import { type ElectionReports, type ElectionWitness, type Hold, holds } from './reports.ts';

/**
 * What is promised: whoever wins after a leadership that ended uncleanly waits its `graceMs` on its own monotonic
 * clock before it leads. The wait begins when the lease is over at the store, so after the last moment at which the
 * old leader could pass `assertHeld()`; a leadership that was being given up may have been marked clean.
 */
class GraceKept implements Checker, ElectionWitness {
  readonly name = 'grace-kept';
  readonly claim = 'After an unclean end nobody leads until the grace of that leadership has passed.';
  readonly #life: LifeSight;
  readonly #reports: ElectionReports;
  readonly #last = new Map<string, Hold>();

  constructor(life: LifeSight, reports: ElectionReports) {
    this.#life = life;
    this.#reports = reports;
    reports.subscribe(this);
  }

  led(hold: Hold): void {
    const { name } = hold.leadership;
    const before = this.#last.get(name);
    this.#last.set(name, hold);
    if (before === undefined || before.graceMs === 0 || before.leaving) return;
    // Two at once are another checker's matter.
    if (holds(before)) return;
    const waitedUs = this.#life.nowUs - before.seenUs;
    const leastUs = (before.graceMs * 1000) / (1 + this.#life.clockDriftRate);
    if (waitedUs + 0.5 < leastUs) {
      violated(
        this,
        `${hold.process.name} leads ${name} with token ${hold.leadership.token} only ${(waitedUs / 1000).toFixed(3)} ms after ${before.process.name} held it with token ${before.leadership.token}, which ended uncleanly and has a grace of ${before.graceMs} ms.`,
      );
    }
    this.#reports.counts.gracesKept += 1;
  }

  settled(): void {
    this.#reports.throwViolation();
  }
}

export function graceKeptChecker(reports: ElectionReports): CheckerFactory {
  return (life) => new GraceKept(life, reports);
}
