import type { RaftEffects } from '../../raft/index.ts';
import type { MemberSight } from '../observation.ts';
import { WorkloadChecker } from './workload-checker.ts';

/**
 * Where the leader answers a read by its lease, nobody may have committed under a newer term. Only reads before the
 * first heartbeat round of a leadership are known for certain to be answered so; what a stale answer of the others
 * would lack, checker 15 sees. Nor is it by the lease where who asks and the leader are a quorum: the question says
 * that a quorum followed the leader when the read began.
 */
export class LeaseReads extends WorkloadChecker {
  readonly name = '16-lease-reads';
  readonly claim = 'A lease read implies that no newer leader has committed.';
  #highestTerm = 0;
  #highestIndex = 0;
  /** The term in which each member led last, and whether it began a round of heartbeats for reads in it. */
  readonly #leaderships = new Map<number, { term: number; rounds: boolean }>();

  override committed(entry: Parameters<WorkloadChecker['committed']>[0]): void {
    super.committed(entry);
    if (entry.term <= this.#highestTerm) return;
    this.#highestTerm = entry.term;
    this.#highestIndex = entry.index;
  }

  drained(member: MemberSight, effects: RaftEffects): void {
    const status = member.raft?.status();
    if (status === undefined || status.role !== 'leader') return;
    const { position } = member;
    let leadership = this.#leaderships.get(position);
    if (leadership?.term !== status.term) {
      leadership = { term: status.term, rounds: false };
      this.#leaderships.set(position, leadership);
    }
    let answered = effects.readsReady.length > 0;
    for (const message of [...effects.messages, ...effects.messagesAfterPersist]) {
      if (message.type === 'append' || message.type === 'heartbeat') {
        if (message.readContext > 0) leadership.rounds = true;
      } else if (message.type === 'read-index-response' && status.configuration.voters.length > 3) {
        answered ||= message.ok;
      }
    }
    if (!answered || leadership.rounds || this.#highestTerm <= status.term) return;
    this.violated(
      `${member.name} answers a read by its lease of term ${status.term}, but entry ${this.#highestIndex} of term ${this.#highestTerm} is committed.`,
    );
  }
}
