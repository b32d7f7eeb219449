import { type HandMadeHold, HandMadeLife, type HoldOptions } from '../elections/testing.ts';
import type { CheckerFactory } from '../observation.ts';
import { type Entry, type PartitionJob, SharingReports } from './reports.ts';

/** For tests of checkers: a life in which nothing is shared but what the test says. */
export class HandMadeSharing {
  readonly life: HandMadeLife;
  readonly reports: SharingReports;

  constructor(
    factory: (reports: SharingReports, life: { readonly nowUs: number }) => CheckerFactory,
    clockDriftRate = 0,
  ) {
    let reports: SharingReports | undefined;
    const clock = { nowUs: 0 };
    this.life = new HandMadeLife((elections) => {
      reports = new SharingReports(elections);
      return factory(reports, clock);
    }, clockDriftRate);
    const { life } = this;
    Object.defineProperty(clock, 'nowUs', { get: () => life.nowUs });
    this.reports = reports as unknown as SharingReports;
  }

  settle(): void {
    this.life.settle();
  }

  job(partition: string, options: HoldOptions): PartitionJob & { hold: HandMadeHold } {
    return { partition, hold: this.life.hold({ election: `p/${partition}`, ...options }), settled: false };
  }

  entry(entry: Partial<Entry>, options: HoldOptions): Entry & { hold: HandMadeHold } {
    return { name: 'exports', kind: 'permit', most: 2, ...entry, hold: this.life.hold(options) };
  }
}
