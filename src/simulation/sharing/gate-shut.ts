import { type Checker, type CheckerFactory, violated } from '../observation.ts';
import type { SharingReports, SharingWitness } from './reports.ts';

class GateShut implements Checker, SharingWitness {
  readonly name = 'gate-shut';
  readonly claim =
    'A token that a gate has let in shuts out every lower one that asks later, in every process; effects of one process begin in the order of tokens, and a newer one after the older ones have ended.';
  readonly #reports: SharingReports;
  /** Of each gate object: its effects under way, and the highest token of all. */
  readonly #gates = new Map<object, { readonly underWay: number[]; highest: number }>();

  constructor(reports: SharingReports) {
    this.#reports = reports;
    reports.subscribe(this);
  }

  gatePassed(resource: string, token: number, highest: number): void {
    if (token >= highest) return;
    violated(
      this,
      `The gate of ${resource} let token ${token} in, which asked after token ${highest} was in.`,
    );
  }

  effectBegan(gate: object, token: number): void {
    const known = this.#gates.get(gate) ?? { underWay: [], highest: -1 };
    this.#gates.set(gate, known);
    if (token < known.highest)
      violated(this, `An effect of token ${token} began after one of token ${known.highest} in its process.`);
    const older = known.underWay.find((other) => other < token);
    if (older !== undefined)
      violated(this, `An effect of token ${token} began beside one of token ${older} in its process.`);
    known.underWay.push(token);
    known.highest = token;
  }

  effectEnded(gate: object, token: number): void {
    const underWay = this.#gates.get(gate)?.underWay;
    underWay?.splice(underWay.indexOf(token), 1);
  }

  settled(): void {
    this.#reports.elections.throwViolation();
  }
}

export function gateShutChecker(reports: SharingReports): CheckerFactory {
  return () => new GateShut(reports);
}
