import { type Checker, type CheckerFactory, type LifeSight, violated } from '../observation.ts';
import { Excuses } from './excuses.ts';
import { type ElectionReports, type ElectionWitness, type Hold, holds, isHeld } from './reports.ts';

/** It is not looked more often who holds: so much may be missing of how late somebody was seen to. */
const lookEveryUs = 1000;

/**
 * What is promised: whoever wins after a leadership that ended uncleanly waits its `graceMs` on its own monotonic
 * clock before it leads. The wait begins when the lease is over at the store, so after the last moment at which the
 * old leader could pass `assertHeld()`, whether it called that or not; a leadership that was being given up may have
 * been marked clean. A lease that is bound to its connection may be over before its holder knows: of those, only what
 * its job did counts.
 */
class GraceKept implements Checker, ElectionWitness {
  readonly name = 'grace-kept';
  readonly claim = 'After an unclean end nobody leads until the grace of that leadership has passed.';
  readonly #life: LifeSight;
  readonly #reports: ElectionReports;
  readonly #excuses: Excuses;
  readonly #last = new Map<string, Hold>();
  /** Those of them that may still hold, and leave a grace behind. */
  readonly #watched = new Set<Hold>();
  #lookedUs = 0;

  constructor(life: LifeSight, reports: ElectionReports) {
    this.#life = life;
    this.#reports = reports;
    this.#excuses = new Excuses(life, reports);
    reports.subscribe(this);
  }

  led(hold: Hold): void {
    const { name } = hold.leadership;
    const before = this.#last.get(name);
    this.#last.set(name, hold);
    if (before !== undefined) this.#watched.delete(before);
    if (hold.graceMs > 0 && !hold.bound) this.#watched.add(hold);
    if (before === undefined || before.graceMs === 0 || before.leaving) return;
    // Two at once are another checker's matter.
    if (holds(before)) return;
    const waitedUs = this.#life.nowUs - before.seenUs;
    const leastUs = (before.graceMs * 1000) / (1 + this.#life.clockDriftRate);
    if (waitedUs + 0.5 < leastUs && !this.#excuses.cover(before)) {
      violated(
        this,
        `${hold.process.name} leads ${name} with token ${hold.leadership.token} only ${(waitedUs / 1000).toFixed(3)} ms after ${before.process.name} held it with token ${before.leadership.token}, which ended uncleanly and has a grace of ${before.graceMs} ms.`,
      );
    }
    this.#reports.counts.gracesKept += 1;
  }

  settled(): void {
    if (this.#watched.size > 0 && this.#life.nowUs >= this.#lookedUs + lookEveryUs) this.#look();
  }

  #look(): void {
    this.#lookedUs = this.#life.nowUs;
    for (const hold of this.#watched) {
      if (isHeld(hold)) hold.seenUs = this.#life.nowUs;
      else if (!hold.process.alive || hold.leadership.signal.aborted) this.#watched.delete(hold);
    }
  }
}

export function graceKeptChecker(reports: ElectionReports): CheckerFactory {
  return (life) => new GraceKept(life, reports);
}
