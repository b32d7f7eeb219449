import { ConclaveError } from '../errors/index.ts';
import type { MemberHandle } from '../member/types.ts';
import type { ResponseHeader } from '../wire/index.ts';

/**
 * Makes response headers. Keeps what seldom changes, so that a header costs one object: ids as the wire has them,
 * and the term as the member last told.
 */
export class Headers implements Disposable {
  readonly #member: MemberHandle;
  readonly #clusterId: bigint;
  readonly #memberId: bigint;
  readonly #unsubscribe: () => void;
  #term: number;

  constructor(member: MemberHandle) {
    this.#member = member;
    this.#clusterId = BigInt(member.clusterId);
    this.#memberId = BigInt(member.memberId);
    this.#term = member.status().raft.term;
    this.#unsubscribe = member.onChange((status) => {
      this.#term = status.raft.term;
    });
  }

  /**
   * `revision`: of the answer; the store's present one if left out. @throws ConclaveError 'closed' where the member has found
   * that what it has is not to be trusted: until it has stopped it would go on to answer what asks no other member.
   */
  header(revision: number = this.#member.keyspace.revision): ResponseHeader {
    // What was to be answered may have been applied.
    if (!this.#member.isTrusted) throw notTrusted();
    return { clusterId: this.#clusterId, memberId: this.#memberId, revision, raftTerm: this.#term };
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }
}

function notTrusted(): ConclaveError {
  const message = 'The member stops, since what it has is not to be trusted; ask another one.';
  return new ConclaveError('closed', message, { retryable: true, outcome: 'unknown' });
}
