import { isHeld } from '../elections/reports.ts';
import { type Checker, type CheckerFactory, type LifeSight, violated } from '../observation.ts';
import type { PartitionJob, PresentMember, SharingReports, SharingWitness } from './reports.ts';

/** Who takes part, as those know who see all processes. */
export interface Membership {
  /** Everybody who is to take part in the end does. */
  readonly complete: boolean;
  readonly members: readonly PresentMember[];
}

/** The balance must have lasted for so long. */
export const quietUs = 1_000_000;

/** Asks `look` in the last round, after any event, until it is true. */
export class PartitionsBalanced implements Checker, SharingWitness {
  readonly name = 'partitions-balanced';
  readonly claim =
    'After all faults are healed every partition is led by one of the members, and none of them leads more than its share by weight, rounded up.';
  readonly #life: Pick<LifeSight, 'nowUs'>;
  readonly #reports: SharingReports;
  readonly #membership: Membership;
  readonly #jobs = new Map<string, PartitionJob>();
  #sinceUs: number | undefined;
  #wasBalanced = false;

  constructor(life: Pick<LifeSight, 'nowUs'>, reports: SharingReports, membership: Membership) {
    this.#life = life;
    this.#reports = reports;
    this.#membership = membership;
    reports.subscribe(this);
  }

  jobBegan(job: PartitionJob): void {
    this.#jobs.set(job.partition, job);
  }

  /** It is balanced, and has been for a while. */
  look(): boolean {
    if (this.#wasBalanced) return true;
    const { nowUs } = this.#life;
    if (this.#objection() !== undefined) this.#sinceUs = undefined;
    else this.#sinceUs ??= nowUs;
    this.#wasBalanced = this.#sinceUs !== undefined && nowUs - this.#sinceUs >= quietUs;
    return this.#wasBalanced;
  }

  settled(): void {
    this.#reports.elections.throwViolation();
  }

  ended(): void {
    if (!this.#reports.healed || this.#wasBalanced) return;
    violated(this, `Nothing changes any more, and ${this.#objection() ?? 'the balance has not lasted yet'}.`);
  }

  #objection(): string | undefined {
    const { complete, members } = this.#membership;
    if (!complete) return 'not all members take part';
    const ids = this.#partitions(members);
    const leading = new Map(members.map(({ holder }) => [holder, 0]));
    for (const partition of ids) {
      const hold = this.#jobs.get(partition)?.hold;
      if (hold === undefined || !isHeld(hold)) return `nobody leads partition ${partition}`;
      const { holder } = hold.leadership;
      const count = leading.get(holder);
      if (count === undefined) return `${holder} leads partition ${partition} and is no member`;
      leading.set(holder, count + 1);
    }
    const total = members.reduce((sum, { weight }) => sum + weight, 0);
    for (const { holder, weight } of members) {
      const most = Math.ceil((ids.length * weight) / total);
      const count = leading.get(holder) ?? 0;
      if (count > most) return `${holder} leads ${count} of ${ids.length} partitions; its bound is ${most}`;
    }
    return undefined;
  }

  /** As many as anybody was started with who is there, or who ever led one of them. */
  #partitions(members: readonly PresentMember[]): string[] {
    const declared = Math.max(0, ...members.map((member) => member.declared));
    const led = Math.max(0, ...[...this.#jobs.keys()].map((partition) => Number(partition) + 1));
    return Array.from({ length: Math.max(declared, led) }, (_none, at) => String(at));
  }
}

export function partitionsBalancedChecker(checker: PartitionsBalanced): CheckerFactory {
  return () => checker;
}
