import { ConclaveError } from '../../errors/index.ts';
import type { DiskFaults } from '../disk/index.ts';
import type { MemberOfMany } from './member-parts.ts';

/** Why a member has stopped, or not started, by itself; `wrong`: nothing that was done to it explains it. */
export type OwnEnd = 'removed' | 'taken-out' | 'disk-damaged' | 'cannot-join' | 'disk-failed' | 'wrong';

interface Circumstances {
  /** It has not run in this life of its process. */
  readonly starting: boolean;
  readonly membership: MemberOfMany | undefined;
  /** Its state was made to differ from that of the others. */
  readonly diverged: boolean;
  /** Its durable data was harmed, with the damage record's leave. */
  readonly damaged: boolean;
  /** It joins a cluster that is there already. */
  readonly joined: boolean;
}

/** Judges the ends that members come to by themselves: only what was made to fail in the same life excuses one. */
export class OwnEnds {
  readonly #faults: Pick<DiskFaults, 'counts'>;
  /** What its disk had been made to do when this life began: that excuses nothing now. */
  #before = { fullDisk: 0, failedOperations: 0, rottenReads: 0 };

  constructor(faults: Pick<DiskFaults, 'counts'>) {
    this.#faults = faults;
  }

  lifeBegins(): void {
    const { fullDisk, failedOperations, rottenReads } = this.#faults.counts;
    this.#before = { fullDisk, failedOperations, rottenReads };
  }

  judge(error: unknown, about: Circumstances): OwnEnd {
    const end = this.#withoutDisk(error, about) ?? this.#ofDisk(error, about);
    return end === 'wrong' && about.starting && about.joined && cannotJoin(error) ? 'cannot-join' : end;
  }

  #withoutDisk(error: unknown, { membership, diverged }: Circumstances): OwnEnd | undefined {
    if (membership === undefined) return undefined;
    if (ConclaveError.is(error, 'removed') && membership.isRemoved()) return 'removed';
    return ConclaveError.is(error, 'data-damaged') && diverged ? 'taken-out' : undefined;
  }

  #ofDisk(error: unknown, { damaged }: Circumstances): OwnEnd {
    if (!ConclaveError.is(error)) return 'wrong';
    const { fullDisk, failedOperations, rottenReads } = this.#faults.counts;
    const before = this.#before;
    switch (error.code) {
      case 'disk-full':
        return fullDisk > before.fullDisk ? 'disk-failed' : 'wrong';
      case 'disk-failed':
        return failedOperations > before.failedOperations ? 'disk-failed' : 'wrong';
      case 'data-damaged':
        if (damaged) return 'disk-damaged';
        return rottenReads > before.rottenReads ? 'disk-failed' : 'wrong';
      default:
        return 'wrong';
    }
  }
}

/** Nobody was there to ask, or who was asked does not expect it, or not any more. */
function cannotJoin(error: unknown): boolean {
  return ConclaveError.is(error, 'unavailable') || ConclaveError.is(error, 'failed-precondition');
}
