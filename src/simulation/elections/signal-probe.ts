import { eventKinds } from '../world/scheduler.ts';
import { type ElectionReports, type ElectionWitness, type Hold, holds } from './reports.ts';

/** A timer may fire a millisecond late, and be armed again for what is left. */
const probeAfterUs = 3000;

/**
 * When another begins to lead, looks whether the leaders before it were told by their signal, once their loops have
 * turned twice since: overdue timers have fired then.
 */
export class SignalProbe implements ElectionWitness {
  readonly #reports: ElectionReports;
  readonly #live = new Map<string, Hold[]>();

  constructor(reports: ElectionReports) {
    this.#reports = reports;
    reports.subscribe(this);
  }

  led(hold: Hold): void {
    const { name } = hold.leadership;
    const before = (this.#live.get(name) ?? []).filter(isOpen);
    this.#live.set(name, [...before, hold]);
    for (const other of before) {
      const again = (): void => void other.process.after(probeAfterUs, eventKinds.workload, () => look());
      const look = (): void => {
        if (isOpen(other) && !holds(other)) this.#reports.tell('keptOn', other);
      };
      other.process.after(probeAfterUs, eventKinds.workload, again);
    }
  }
}

function isOpen({ process, leadership }: Hold): boolean {
  return process.alive && !leadership.signal.aborted;
}
