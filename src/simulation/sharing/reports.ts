/** What those who share something report as it happens, in true time, to the checkers that judge it. */
import type { ElectionReports, Hold } from '../elections/reports.ts';

/** A run of the job of a partition in one process. */
export interface PartitionJob {
  readonly partition: string;
  readonly hold: Hold;
  /** Its promise has settled: nothing of it runs any more. */
  settled: boolean;
}

/** A process that takes part in the partitions now. */
export interface PresentMember {
  readonly holder: string;
  readonly weight: number;
  /** How many partitions it was started with. */
  readonly declared: number;
}

/** A run of the function of an operation. */
export interface OperationRun {
  readonly operation: string;
  readonly attempt: number;
  readonly hold: Hold;
}

/** A permit of a semaphore, or a read-write lock, in somebody's hands. */
export interface Entry {
  /** Of the semaphore or lock. */
  readonly name: string;
  readonly kind: 'permit' | 'read' | 'write';
  /** How many permits or readers there may be. */
  readonly most: number;
  /** Which of the permits. */
  readonly index?: number;
  readonly hold: Hold;
}

/** One record of the fenced log. */
export interface SeenRecord {
  readonly sequence: number;
  readonly token: number;
  /** Tells each append from any other. */
  readonly text: string;
}

/** Who listens. Each may throw a `Violation`: see `ElectionReports.violation`. */
export interface SharingWitness {
  jobBegan?(job: PartitionJob): void;
  operationRan?(run: OperationRun): void;
  /** A transaction under the operation's leadership said that it took the effect, which was not there before. */
  effectTaken?(operation: string, value: string): void;
  /** A caller got the outcome: the result's text, or that of the recorded error. */
  operationTold?(caller: string, operation: string, outcome: string): void;
  entered?(entry: Entry): void;
  /** `assertHeld()` of it has just passed. */
  usedEntry?(entry: Entry): void;
  appended?(path: string, record: SeenRecord): void;
  /** A claim with this token resolved when the log ended with this record. */
  logClaimed?(path: string, sequence: number, token: number): void;
  /** A whole read that began when `acknowledged` was the last record that any append had been told of. */
  logRead?(path: string, reader: string, records: readonly SeenRecord[], acknowledged: number): void;
  /** The gate let this token in; `highest`: that it had let in before it was asked. */
  gatePassed?(resource: string, token: number, highest: number): void;
  /** An effect under `guard` of the gate of one process began or ended. */
  effectBegan?(gate: object, token: number): void;
  effectEnded?(gate: object, token: number): void;
  /** By the server itself, as soon as it has carried out a change: all entries behind the guard as they are now. */
  guardedChanged?(resource: string, entries: readonly string[]): void;
  /** An entry was acknowledged. */
  guardedAdded?(resource: string, entry: string): void;
  /** The guard said for certain that the entry was not added. */
  guardedRefused?(resource: string, entry: string): void;
  /** A claim with this token was acknowledged. */
  guardedClaimed?(resource: string, token: number): void;
  /** A read that began when so many entries, from the first on, held one that was acknowledged. */
  guardedRead?(resource: string, reader: string, entries: readonly string[], acknowledged: number): void;
}

/** What took place: for the summary of a run. */
export interface SharingCounts {
  partitionLeaderships: number;
  partitionsMoved: number;
  operationsRun: number;
  operationsTold: number;
  operationsTakenOver: number;
  permitsTaken: number;
  locksTaken: number;
  logAppends: number;
  gatePassages: number;
  guardedWrites: number;
  guardedClaims: number;
  staleRefused: number;
  staleRefusedByGuards: number;
}

type Report = keyof SharingWitness;

export class SharingReports {
  readonly counts: SharingCounts = {
    partitionLeaderships: 0,
    partitionsMoved: 0,
    operationsRun: 0,
    operationsTold: 0,
    operationsTakenOver: 0,
    permitsTaken: 0,
    locksTaken: 0,
    logAppends: 0,
    gatePassages: 0,
    guardedWrites: 0,
    guardedClaims: 0,
    staleRefused: 0,
    staleRefusedByGuards: 0,
  };
  /** Leaderships of partitions and operations are reported there, too, and judged as those of any election. */
  readonly elections: ElectionReports;
  readonly #witnesses: SharingWitness[] = [];
  readonly #acknowledged = new Map<string, number>();
  readonly #passed = new Map<string, number>();
  readonly #guarded = new Map<
    string,
    { readonly entries: readonly string[]; readonly acknowledged: number }
  >();

  constructor(elections: ElectionReports) {
    this.elections = elections;
  }

  get healed(): boolean {
    return this.elections.healedUs !== undefined;
  }

  subscribe(witness: SharingWitness): void {
    this.#witnesses.push(witness);
  }

  /** A violation must not disturb who reports; it is thrown when the step is over. */
  tell<R extends Report>(report: R, ...what: Parameters<Required<SharingWitness>[R]>): void {
    if (this.elections.violation !== undefined) return;
    try {
      for (const witness of this.#witnesses) {
        const listener = witness[report] as ((...what: readonly unknown[]) => void) | undefined;
        listener?.apply(witness, what);
      }
    } catch (error) {
      this.elections.violation = error;
    }
  }

  appended(path: string, record: SeenRecord): void {
    this.counts.logAppends += 1;
    this.#acknowledged.set(path, Math.max(record.sequence, this.acknowledged(path)));
    this.tell('appended', path, record);
  }

  /** The last record of the log that an append was told of; 0: none. */
  acknowledged(path: string): number {
    return this.#acknowledged.get(path) ?? 0;
  }

  guardedAdded(resource: string, entry: string): void {
    this.tell('guardedAdded', resource, entry);
    const { entries, acknowledged } = this.#guardedAt(resource);
    const at = entries.indexOf(entry);
    this.#guarded.set(resource, { entries, acknowledged: Math.max(at + 1, acknowledged) });
  }

  /** By the server: see `SharingWitness`. */
  guardedChanged(resource: string, entries: readonly string[]): void {
    const { acknowledged } = this.#guardedAt(resource);
    this.#guarded.set(resource, { entries, acknowledged });
    this.tell('guardedChanged', resource, entries);
  }

  /** So many entries behind the guard, from the first on, hold all that were acknowledged. */
  guardedAcknowledged(resource: string): number {
    return this.#guardedAt(resource).acknowledged;
  }

  #guardedAt(resource: string): { readonly entries: readonly string[]; readonly acknowledged: number } {
    return this.#guarded.get(resource) ?? { entries: [], acknowledged: 0 };
  }

  gatePassed(resource: string, token: number, highest: number): void {
    this.counts.gatePassages += 1;
    this.#passed.set(resource, Math.max(token, this.highestPassed(resource)));
    this.tell('gatePassed', resource, token, highest);
  }

  /** The highest token that the gate has let into the resource; -1: none. */
  highestPassed(resource: string): number {
    return this.#passed.get(resource) ?? -1;
  }
}
