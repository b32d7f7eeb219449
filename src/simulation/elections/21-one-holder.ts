import { type Checker, type CheckerFactory, type LifeSight, violated } from '../observation.ts';
import { Excuses, type OneHolderOptions } from './excuses.ts';
import { type ElectionReports, type ElectionWitness, type Hold, isHeld } from './reports.ts';

class OneHolder implements Checker, ElectionWitness {
  readonly name = '21-one-holder';
  readonly claim =
    'At no true instant do two processes hold the same leadership with assertHeld() passing, while clock rates stay within the configured drift.';
  readonly #reports: ElectionReports;
  readonly #excuses: Excuses;
  /** Of each election, all that may still hold. */
  readonly #live = new Map<string, Hold[]>();
  /** Elections with more than one of them: mostly none. */
  readonly #contested = new Set<string>();

  constructor(life: LifeSight, reports: ElectionReports, options: OneHolderOptions) {
    this.#reports = reports;
    this.#excuses = new Excuses(life, reports, options);
    reports.subscribe(this);
  }

  led(hold: Hold): void {
    const { name } = hold.leadership;
    const live = (this.#live.get(name) ?? []).filter(mayHold);
    live.push(hold);
    this.#live.set(name, live);
    if (live.length > 1) this.#contested.add(name);
    this.#check(name);
  }

  /** The job's own call of `assertHeld()` passed: then no other may hold, whatever this one's clock looks like. */
  acted(hold: Hold): void {
    for (const other of this.#live.get(hold.leadership.name) ?? []) {
      if (other !== hold && isHeld(other)) this.#blame(hold, other, 'passes assertHeld() and acts for');
    }
  }

  keptOn(hold: Hold): void {
    if (this.#excuses.cover(hold)) return;
    const { name, token } = hold.leadership;
    violated(
      this,
      `The signal of ${hold.process.name}, which led ${name} with token ${token}, has not aborted, although its loop turns and another leads.`,
    );
  }

  /** Throws what any of the listeners to the reports found: one of them is enough, since this is asked at every step. */
  settled(): void {
    this.#reports.throwViolation();
    for (const name of this.#contested) this.#check(name);
  }

  #check(name: string): void {
    let live = this.#live.get(name) ?? [];
    if (!live.every(mayHold)) {
      live = live.filter(mayHold);
      this.#live.set(name, live);
      if (live.length < 2) this.#contested.delete(name);
    }
    let held: Hold | undefined;
    for (const hold of live) {
      if (!isHeld(hold)) continue;
      if (held !== undefined) this.#blame(hold, held, 'holds');
      held = hold;
    }
  }

  #blame(one: Hold, other: Hold, what: string): void {
    if (this.#excuses.cover(one) || this.#excuses.cover(other)) return;
    const { process, leadership } = one;
    violated(
      this,
      `${process.name} ${what} ${leadership.name} with token ${leadership.token} while ${words(other)}, which began at ${(other.sinceUs / 1000).toFixed(3)} ms.`,
    );
  }
}

function mayHold({ process, leadership }: Hold): boolean {
  return process.alive && !leadership.signal.aborted;
}

function words({ process, leadership }: Hold): string {
  const paused = process.paused ? ', which is paused,' : '';
  return `${process.name}${paused} holds it with token ${leadership.token} for ${leadership.remainingMs().toFixed(3)} ms more`;
}

/** Invariant 21. */
export function oneHolderChecker(reports: ElectionReports, options: OneHolderOptions = {}): CheckerFactory {
  return (life) => new OneHolder(life, reports, options);
}
