import { ConclaveError } from '../errors/index.ts';
import type { MemberHandle } from '../member/types.ts';
import type { Runtime } from '../runtime/types.ts';
import { commandFailure } from './status.ts';

/** Leases in one command; about 10 bytes each, so a command stays well below the limit of a request. */
export const leasesInOneCommand = 65_536;

export interface Renewed {
  /** Ms, in the order asked; 0 for a lease that is not there. */
  readonly ttlsMs: readonly number[];
  /** The store's revision when the renewal was applied. */
  readonly revision: number;
}

interface Waiting {
  readonly leases: readonly bigint[];
  resolve(renewed: Renewed): void;
  reject(error: unknown): void;
}

/** Gathers the keep-alives of one turn of the loop, from all streams, into one command; answers when it is applied. */
export class RenewalBatch {
  readonly #member: MemberHandle;
  readonly #runtime: Runtime;
  #waiting: Waiting[] = [];

  constructor(member: MemberHandle, runtime: Runtime) {
    this.#member = member;
    this.#runtime = runtime;
  }

  renew(leases: readonly bigint[]): Promise<Renewed> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ leases, resolve, reject });
      if (this.#waiting.length === 1) this.#runtime.timers.nextTurn(() => this.#submit());
    });
  }

  #submit(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let from = 0;
    while (from < waiting.length) {
      let to = from;
      let count = 0;
      do {
        count += waiting[to]?.leases.length ?? 0;
        to += 1;
      } while (to < waiting.length && count + (waiting[to]?.leases.length ?? 0) <= leasesInOneCommand);
      this.#propose(waiting.slice(from, to));
      from = to;
    }
  }

  /** `#settle` answers each caller; this promise never rejects. */
  #propose(waiting: readonly Waiting[]): void {
    const leases = waiting.length === 1 ? (waiting[0]?.leases ?? []) : waiting.flatMap((one) => one.leases);
    this.#settle(waiting, leases).catch((error: unknown) => {
      for (const one of waiting) one.reject(error);
    });
  }

  async #settle(waiting: readonly Waiting[], leases: readonly bigint[]): Promise<void> {
    const { outcome, revision } = await this.#member.propose({ type: 'leaseRenew', leases });
    if (outcome.type === 'failed') throw commandFailure(outcome.failure);
    if (outcome.type !== 'leaseRenew') {
      throw new ConclaveError('internal', `A renewal was answered by the outcome of ${outcome.type}.`);
    }
    let at = 0;
    for (const one of waiting) {
      one.resolve({ ttlsMs: outcome.ttlsMs.slice(at, at + one.leases.length), revision });
      at += one.leases.length;
    }
  }
}
