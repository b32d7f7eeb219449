import { eventKinds } from '../world/scheduler.ts';
import { type ElectionReports, type ElectionWitness, type Hold, holds } from './reports.ts';

/** A timer may fire a millisecond late, and be armed again for what is left. */
const probeAfterUs = 3000;

/** Below it a difference of clock readings is rounding. */
const roundingMs = 0.01;

/**
 * When another begins to lead, looks whether the leaders before it were told by their signal, once their loops have
 * turned twice since: overdue timers have fired then. Not where the wall clock jumped or the host slept: that is
 * noticed a little later, at the next look at the clocks.
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
        if (isOpen(other) && !holds(other) && this.#ranEvenly(other)) this.#reports.tell('keptOn', other);
      };
      other.process.after(probeAfterUs, eventKinds.workload, again);
    }
  }

  #ranEvenly({ process }: Hold): boolean {
    const { host } = process;
    const aheadMs = host.wallMs() - host.monotonicMs();
    const readings = this.#reports.countedFrom(process);
    return readings.every(({ wallMs, monotonicMs }) => Math.abs(wallMs - monotonicMs - aheadMs) < roundingMs);
  }
}

function isOpen({ process, leadership }: Hold): boolean {
  return process.alive && !leadership.signal.aborted;
}
