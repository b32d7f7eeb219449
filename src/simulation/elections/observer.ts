import { observe } from '../../election/index.ts';
import type { LeaseStore } from '../../election/store.ts';
import type { Process } from '../world/process.ts';
import type { ElectionReports } from './reports.ts';

export interface ObserverParts {
  readonly process: Process;
  readonly reports: ElectionReports;
  readonly store: LeaseStore;
  readonly election: string;
}

/** Watches who leads. */
export class ObserverProgram {
  /** It has seen somebody lead since everything was healed. */
  completed = false;
  readonly #parts: ObserverParts;
  readonly #stop = new AbortController();

  constructor(parts: ObserverParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { process, reports, store, election } = this.#parts;
    const options = { runtime: process.runtime, signal: this.#stop.signal };
    for await (const leader of observe(store, election, options)) {
      reports.counts.observations += 1;
      reports.note(process.name, () => `sees ${leader === undefined ? 'nobody' : leader.holder} lead`);
      reports.tell('observed', process.name, election, leader?.token);
      if (leader !== undefined && reports.healedUs !== undefined) this.completed = true;
    }
  }

  stop(): void {
    this.#stop.abort();
  }
}
