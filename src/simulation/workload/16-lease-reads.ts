import type { RaftEffects, RaftMessage } from '../../raft/index.ts';
import type { MemberSight } from '../observation.ts';
import { WorkloadChecker } from './workload-checker.ts';

/** A leadership as its messages show it. */
interface Leadership {
  term: number;
  /** Of its latest round of heartbeats for reads; 0: it began none. */
  context: number;
}

/**
 * Where a leader answers a read by its lease, nobody may have committed under a newer term when the read was asked. A read
 * is answered by the lease where no round of heartbeats began between its question and its answer: rounds are seen in what
 * leaves the leader. Only questions that came after a newer leader's commit are kept, so this costs nothing while all is well.
 *
 * Not by the lease is what a quorum of who asks and who is asked answers: the question says that it followed the leader
 * when the read began. So what followers ask is looked at where two members are no quorum.
 */
export class LeaseReads extends WorkloadChecker {
  readonly name = '16-lease-reads';
  readonly claim = 'A lease read implies that no newer leader has committed.';
  #highestTerm = 0;
  #highestIndex = 0;
  readonly #leaderships = new Map<number, Leadership>();
  /** By member, then by what was asked: the leadership's round when it was. */
  readonly #late = new Map<number, Map<string, Leadership>>();

  override committed(entry: Parameters<WorkloadChecker['committed']>[0]): void {
    super.committed(entry);
    if (entry.term <= this.#highestTerm) return;
    this.#highestTerm = entry.term;
    this.#highestIndex = entry.index;
  }

  memberStarted({ position }: MemberSight): void {
    this.#leaderships.delete(position);
    this.#late.delete(position);
  }

  asked(member: MemberSight, readId: number): void {
    const status = member.raft?.status();
    if (status?.role === 'leader') this.#ask(member.position, status.term, `own ${readId}`);
  }

  sent(from: MemberSight, to: MemberSight, message: RaftMessage): void {
    if (message.type !== 'read-index') return;
    this.#ask(to.position, message.term, nameOf(from.memberId, message.readContext));
  }

  #ask(position: number, term: number, what: string): void {
    if (this.#highestTerm <= term) return;
    const known = this.#leaderships.get(position);
    const context = known?.term === term ? known.context : 0;
    const late = this.#late.get(position) ?? new Map<string, Leadership>();
    this.#late.set(position, late.set(what, { term, context }));
  }

  drained(member: MemberSight, effects: RaftEffects): void {
    const status = member.raft?.status();
    if (status === undefined || status.role !== 'leader') return;
    const leadership = this.#leadershipOf(member.position, status.term);
    const messages = [...effects.messages, ...effects.messagesAfterPersist];
    for (const message of messages) {
      if (message.type === 'append' || message.type === 'heartbeat')
        leadership.context = Math.max(leadership.context, message.readContext);
    }
    const late = this.#late.get(member.position);
    if (late === undefined || this.#highestTerm <= status.term) return;
    const { voters, outgoing } = status.configuration;
    const answered = voters.length > 1 ? effects.readsReady.map(({ readId }) => `own ${readId}`) : [];
    for (const message of messages) {
      if (message.type !== 'read-index-response' || !message.ok) continue;
      if (voters.length > 3 && outgoing === undefined) answered.push(nameOf(message.to, message.readContext));
    }
    for (const what of answered) this.#answer(member, late.get(what), leadership);
  }

  #answer({ name }: MemberSight, asked: Leadership | undefined, { term, context }: Leadership): void {
    // A round of heartbeats that began after the question may be what answered it.
    if (asked?.term !== term || asked.context !== context) return;
    this.violated(
      `${name} answers a read by its lease of term ${term}, but entry ${this.#highestIndex} of term ${this.#highestTerm} was committed before it was asked.`,
    );
  }

  #leadershipOf(position: number, term: number): Leadership {
    const known = this.#leaderships.get(position);
    if (known?.term === term) return known;
    const leadership = { term, context: 0 };
    this.#leaderships.set(position, leadership);
    return leadership;
  }
}

function nameOf(follower: number, readContext: number): string {
  return `${follower} ${readContext}`;
}
