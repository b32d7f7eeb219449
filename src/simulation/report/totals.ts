import { faultKinds } from '../faults/options.ts';
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
  missing(life: Size): string[] {
    const expected = ['elections'];
    if (life.clients !== 0) expected.push('operations acknowledged');
    if (life.candidates !== 0) expected.push('leaderships');
    const missing = expected.filter((what) => this.of(what) === 0);
    // A single life may have drawn none, or none that could strike.
    const striking = life.faults !== 'none' && life.only === undefined && this.seeds >= enoughForFaults;
    if (striking && this.faultsInjected === 0) missing.push('faults');
    return this.#isLarge(life) ? [...missing, ...this.#unseenOfAll()] : missing;
  }

  /** So many lives like the usual ones, or larger, under all faults show everything. */
  #isLarge({ faults = 'all', only, members = 3, clients = 8, candidates = 3, seconds = 30 }: Size): boolean {
    if (faults !== 'all' || only !== undefined || members < 3 || clients < 8 || candidates < 3) return false;
    return this.seeds * seconds >= enoughForAllS;
  }

  #unseenOfAll(): string[] {
    const unseen = shownByAll.filter((what) => this.of(what) === 0);
    return [...unseen, ...faultKinds.filter((kind) => (this.faults.get(kind) ?? 0) === 0)];
  }

  /** Counted, and never seen: worth a look in a long run, no failure in a short one. */
  get neverSeen(): string[] {
    return [...this.coverage].filter(([, count]) => count === 0).map(([name]) => name);
  }
}

type Size = Omit<LifeOptions, 'seed'>;

const enoughForFaults = 10;
/** Simulated, under faults: a thousand lives of half a minute. */
const enoughForAllS = 30_000;

/** What no large run under all faults is without: else a fault, or a part of the workload, is dead. */
export const shownByAll: readonly string[] = [
  ...[
    'elections',
    'operations acknowledged',
    'leaderships',
    'fenced writes',
    'snapshots made',
    'snapshots installed',
  ],
  ...['hand-offs', 'leases expired', 'Raft messages lost', 'graces kept', 'stale writes refused'],
  ...[
    'stale writes taken without fencing',
    'partition leaderships',
    'outcomes of operations told',
    'permits taken',
  ],
  ...['log appends', 'gate passages', 'guarded writes', 'stale writes refused by guards', 'compactions'],
  ...['watches told of a compaction', 'changes of users and roles', 'operations not permitted'],
];

function addCounts(to: Map<string, number>, counts: Counts): void {
  for (const [name, count] of Object.entries(counts)) to.set(name, (to.get(name) ?? 0) + count);
}
