import type { Counts, LifeOptions, LifeResult } from '../life/types.ts';

/** What many lives showed together. */
export class Totals {
  seeds = 0;
  steps = 0;
  simulatedMs = 0;
  failures = 0;
  readonly coverage = new Map<string, number>();
  readonly faults = new Map<string, number>();

  add(result: Pick<LifeResult, 'steps' | 'simulatedMs' | 'coverage' | 'faults' | 'failure'>): void {
    this.seeds += 1;
    this.steps += result.steps;
    this.simulatedMs += result.simulatedMs;
    if (result.failure !== undefined) this.failures += 1;
    addCounts(this.coverage, result.coverage);
    addCounts(this.faults, result.faults);
  }

  of(what: string): number {
    return this.coverage.get(what) ?? 0;
  }

  get faultsInjected(): number {
    let sum = 0;
    for (const count of this.faults.values()) sum += count;
    return sum;
  }

  /** What a run of this kind should have shown and did not; empty when it covered what it claims to. */
  missing(life: Pick<LifeOptions, 'faults' | 'only' | 'clients' | 'candidates'>): string[] {
    const expected = ['elections'];
    if (life.clients !== 0) expected.push('operations acknowledged');
    if (life.candidates !== 0) expected.push('leaderships');
    const missing = expected.filter((what) => this.of(what) === 0);
    // A single life may have drawn none, or none that could strike.
    const striking = life.faults !== 'none' && life.only === undefined && this.seeds >= enoughForFaults;
    if (striking && this.faultsInjected === 0) missing.push('faults');
    return missing;
  }

  /** Counted, and never seen: worth a look in a long run, no failure in a short one. */
  get neverSeen(): string[] {
    return [...this.coverage].filter(([, count]) => count === 0).map(([name]) => name);
  }
}

const enoughForFaults = 10;

function addCounts(to: Map<string, number>, counts: Counts): void {
  for (const [name, count] of Object.entries(counts)) to.set(name, (to.get(name) ?? 0) + count);
}
