import { Excuses, type OneHolderOptions } from '../elections/excuses.ts';
import { type Checker, type CheckerFactory, type LifeSight, violated } from '../observation.ts';
import type { OperationRun, SharingReports, SharingWitness } from './reports.ts';

interface Known {
  told: { readonly caller: string; readonly outcome: string } | undefined;
  effect: string | undefined;
}

class OneOutcome implements Checker, SharingWitness {
  readonly name = 'one-outcome';
  readonly claim =
    'Of an operation one outcome is recorded, which all its callers are told; no run begins after it; and its effect, which is made under its fence and keyed by its id, happens once.';
  readonly #reports: SharingReports;
  readonly #excuses: Excuses;
  readonly #operations = new Map<string, Known>();

  constructor(life: LifeSight, reports: SharingReports, options: OneHolderOptions) {
    this.#reports = reports;
    this.#excuses = new Excuses(life, reports.elections, options);
    reports.subscribe(this);
  }

  operationRan({ operation, attempt, hold }: OperationRun): void {
    const { told } = this.#of(operation);
    if (told === undefined || this.#excuses.cover(hold)) return;
    violated(
      this,
      `${hold.process.name} runs ${operation}, attempt ${attempt}, with token ${hold.leadership.token} after ${told.caller} was told its outcome: ${told.outcome}.`,
    );
  }

  effectTaken(operation: string, value: string): void {
    const known = this.#of(operation);
    if (known.effect !== undefined)
      violated(this, `The effect of ${operation} happened twice: as ${known.effect} and as ${value}.`);
    known.effect = value;
    this.#compare(operation, known);
  }

  operationTold(caller: string, operation: string, outcome: string): void {
    const known = this.#of(operation);
    known.told ??= { caller, outcome };
    if (known.told.outcome !== outcome)
      violated(
        this,
        `${caller} was told the outcome of ${operation}: ${outcome}. ${known.told.caller} was told before: ${known.told.outcome}.`,
      );
    this.#compare(operation, known);
  }

  settled(): void {
    this.#reports.elections.throwViolation();
  }

  /** A result says which effect it found or made. */
  #compare(operation: string, { told, effect }: Known): void {
    if (effect === undefined || told === undefined || !told.outcome.startsWith('done')) return;
    if (!told.outcome.includes(`"effect":${JSON.stringify(effect)}`))
      violated(this, `The effect of ${operation} is ${effect}, and its result is another: ${told.outcome}.`);
  }

  #of(operation: string): Known {
    const known = this.#operations.get(operation) ?? { told: undefined, effect: undefined };
    this.#operations.set(operation, known);
    return known;
  }
}

export function oneOutcomeChecker(reports: SharingReports, options: OneHolderOptions = {}): CheckerFactory {
  return (life) => new OneOutcome(life, reports, options);
}
