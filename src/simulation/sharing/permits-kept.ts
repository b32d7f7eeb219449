import { Excuses, type OneHolderOptions } from '../elections/excuses.ts';
import { isHeld } from '../elections/reports.ts';
import { type Checker, type CheckerFactory, type LifeSight, violated } from '../observation.ts';
import type { Entry, SharingReports, SharingWitness } from './reports.ts';

class PermitsKept implements Checker, SharingWitness {
  readonly name = 'permits-kept';
  readonly claim =
    'At no true instant are more permits of a semaphore held than there are, or one of them twice; a writer of a lock excludes all others, and no more read than may; tokens rise in the order of entry.';
  readonly #reports: SharingReports;
  readonly #excuses: Excuses;
  /** Of each name, all that may still be held. */
  readonly #live = new Map<string, Entry[]>();
  readonly #newest = new Map<string, Entry>();

  constructor(life: LifeSight, reports: SharingReports, options: OneHolderOptions) {
    this.#reports = reports;
    this.#excuses = new Excuses(life, reports.elections, options);
    reports.subscribe(this);
  }

  entered(entry: Entry): void {
    const live = (this.#live.get(entry.name) ?? []).filter(mayHold);
    this.#live.set(entry.name, [...live, entry]);
    this.#checkOrder(entry);
    this.#check(entry.name);
  }

  /** It holds, whatever its clock looks like. */
  usedEntry(entry: Entry): void {
    this.#check(entry.name, entry);
  }

  settled(): void {
    this.#reports.elections.throwViolation();
    for (const [name, live] of this.#live) if (live.length > 1) this.#check(name);
  }

  #checkOrder(entry: Entry): void {
    const before = this.#newest.get(entry.name);
    const { token } = entry.hold.leadership;
    if (before !== undefined && token <= before.hold.leadership.token) {
      if (token === before.hold.leadership.token || !this.#isExcused(entry, before))
        violated(this, `${words(entry)} entered ${entry.name} after ${words(before)}.`);
      return;
    }
    this.#newest.set(entry.name, entry);
  }

  #check(name: string, user?: Entry): void {
    const live = (this.#live.get(name) ?? []).filter(mayHold);
    this.#live.set(name, live);
    if (live.length < 2) return;
    const held = live.filter(
      (entry) => (entry === user || isHeld(entry.hold)) && !this.#excuses.cover(entry.hold),
    );
    const [first] = held;
    if (first === undefined) return;
    const all = held.map(words).join(', ');
    if (held.length > first.most)
      violated(this, `${held.length} hold ${name}, of which there are ${first.most}: ${all}.`);
    if (held.length > 1 && held.some(({ kind }) => kind === 'write'))
      violated(this, `A writer of ${name} is not alone: ${all}.`);
    const indexes = held.flatMap(({ index }) => (index === undefined ? [] : [index]));
    if (new Set(indexes).size < indexes.length) violated(this, `A permit of ${name} is held twice: ${all}.`);
  }

  #isExcused(...entries: readonly Entry[]): boolean {
    return entries.some(({ hold }) => this.#excuses.cover(hold));
  }
}

function mayHold({ hold: { process, leadership } }: Entry): boolean {
  return process.alive && !leadership.signal.aborted;
}

function words({ kind, index, hold: { process, leadership } }: Entry): string {
  const which = index === undefined ? kind : `${kind} ${index}`;
  return `${process.name} (${which}, token ${leadership.token}, ${leadership.remainingMs().toFixed(3)} ms left)`;
}

export function permitsKeptChecker(reports: SharingReports, options: OneHolderOptions = {}): CheckerFactory {
  return (life) => new PermitsKept(life, reports, options);
}
