import { Excuses, type OneHolderOptions } from '../elections/excuses.ts';
import { type Checker, type CheckerFactory, type LifeSight, violated } from '../observation.ts';
import type { PartitionJob, SharingReports, SharingWitness } from './reports.ts';

/**
 * Stricter than that one process leads: a leader that was told to stop holds nothing any more, but its job may still
 * run, and keeps the partition until it settles or the session is lost.
 */
class OneJobForAPartition implements Checker, SharingWitness {
  readonly name = 'one-job-for-a-partition';
  readonly claim =
    'The job of a partition begins under its held leadership, and only after the job before it has settled or its session was lost.';
  readonly #reports: SharingReports;
  readonly #excuses: Excuses;
  readonly #jobs = new Map<string, PartitionJob[]>();

  constructor(life: LifeSight, reports: SharingReports, options: OneHolderOptions) {
    this.#reports = reports;
    this.#excuses = new Excuses(life, reports.elections, options);
    reports.subscribe(this);
  }

  jobBegan(job: PartitionJob): void {
    const { partition, hold } = job;
    const running = (this.#jobs.get(partition) ?? []).filter(mayRun);
    this.#jobs.set(partition, [...running, job]);
    if (!hold.leadership.name.endsWith(`/${partition}`))
      violated(this, `${hold.process.name} began the job of ${partition} with ${hold.leadership.name}.`);
    for (const other of running) {
      const leftMs = other.hold.leadership.remainingMs();
      const sleeps = other.hold.process.host.asleep;
      if (leftMs <= 0 || sleeps || this.#excuses.cover(hold) || this.#excuses.cover(other.hold)) continue;
      violated(
        this,
        `${words(job)} began while ${words(other)} has not settled, with ${leftMs.toFixed(3)} ms of its session left.`,
      );
    }
  }

  settled(): void {
    this.#reports.elections.throwViolation();
  }
}

function mayRun({ settled, hold }: PartitionJob): boolean {
  return !settled && hold.process.alive;
}

function words({ partition, hold: { process, leadership } }: PartitionJob): string {
  return `the job of partition ${partition} at ${process.name} with token ${leadership.token}`;
}

export function oneJobForAPartitionChecker(
  reports: SharingReports,
  options: OneHolderOptions = {},
): CheckerFactory {
  return (life) => new OneJobForAPartition(life, reports, options);
}
