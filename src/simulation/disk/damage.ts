import { isVoter } from '../../raft/index.ts';
import type { CommittedLog, ConfigurationSight, DurableState } from '../observation.ts';

/** What must be known of a member to decide whether its disk may be harmed. */
export interface DamageView {
  readonly memberId: number;
  /** A process of it lives, recovered or not. */
  readonly alive: boolean;
  /** Its process lives and has recovered. */
  readonly running: boolean;
  /** It never runs again, or only to find that it was removed. Absent: false. */
  readonly gone?: boolean;
  readonly durable: DurableState & { readonly refusal: string | undefined };
}

/**
 * Which members lost what they had made durable, and whether one more may. Raft is not safe when a disk is lost and
 * its member comes back under the same id: it breaks two promises, to keep what it acknowledged and to vote once in
 * a term. The rule here makes that safe, so that every violation found is a bug of ours. Let B be harmed, with its
 * durable term t and vote V, while no process of B lives (else it would go on to promise what is lost already):
 *
 * - Every other member's durable log contains all of B's. An acknowledgement of B, be it on its way or counted
 *   already, is for entries that B had made durable; a leader that counts it commits what all others hold. (If B had
 *   cut those entries off again, a later leader without them had been elected, so the term of that acknowledgement
 *   can commit them no more.) None of the others can lose them: only a leader without them could make it do so, and
 *   only B lacks them, which cannot win a vote against logs that have them, nor become up to date without them.
 *   Entries that B never had lose nothing: B counted for none of their copies.
 * - Every other member's durable term is at least t, so no one can ask B for a vote of an earlier term, or append to
 *   it in one, and believe the answer. In t itself another vote of B must not count: if B voted, no other member may
 *   be a candidate of t but V (a member of term t becomes none any more, for it would be of term t + 1); if B voted for
 *   itself, it could campaign in t a second time, so all others must be beyond t. To harm a leader, stop it
 *   first, and wait until the others have moved on.
 * - No other member is damaged, and a minority may be: so one at a time, and none where fewer than three are.
 *
 * Where members join and leave, "every other member" are all that may still vote: those too that were removed and have
 * not heard of it, for B may vote for them by the configuration that they know. Those that are gone may not; and B is
 * harmed only while nobody has a configuration that is not committed, so that its vote counts in the same ones as before.
 *
 * This needs connections to end with the processes at their ends, as TCP's do: no answer to a former life of B
 * reaches its next one.
 *
 * B stays damaged until a process of it runs again and its durable log contains all that was committed when it was
 * harmed. Others may be harmed from then on; what was not committed then, but is on all others, is looked at by
 * the rule for them: B too must contain their logs.
 */
export class DamageRecord {
  readonly #members: readonly DamageView[];
  readonly #committed: CommittedLog;
  /** undefined: all members vote, always. */
  readonly #configurations: Pick<ConfigurationSight, 'committed'> | undefined;
  /** Positions of damaged members, with the last index that was committed at the time. */
  readonly #damaged = new Map<number, number>();
  /** Harms done. */
  harms = 0;

  constructor(
    members: readonly DamageView[],
    committed: CommittedLog,
    configurations?: Pick<ConfigurationSight, 'committed'>,
  ) {
    this.#members = members;
    this.#committed = committed;
    this.#configurations = configurations;
  }

  damaged(position: number): boolean {
    return this.#damaged.has(position);
  }

  /**
   * Whether the member's disk may be wiped, or rot, or answer a read wrongly while the member recovers. For a
   * damaged member that refuses to start it may, so that an operator can replace it: it promised nothing since.
   */
  mayHarm(position: number): boolean {
    const member = this.#members[position];
    if (member === undefined || member.alive || member.gone) return false;
    const others = this.#members.filter((other) => other !== member && other.gone !== true);
    if (others.length < 2) return false;
    if ([...this.#damaged.keys()].some((other) => other !== position && !this.#members[other]?.gone))
      return false;
    if (member.durable.refusal !== undefined) return this.#damaged.has(position);
    return others.every((other) => this.#covers(other, member)) && this.#isSettled(member, others);
  }

  #isSettled(member: DamageView, others: readonly DamageView[]): boolean {
    if (this.#configurations === undefined) return true;
    const { index, configuration } = this.#configurations.committed;
    const { voters, outgoing } = configuration;
    if (outgoing !== undefined || voters.length < 3 || !isVoter(configuration, member.memberId)) return false;
    return [member, ...others].every(({ durable }) => {
      for (let at = Math.max(index, durable.snapshotIndex) + 1; at <= durable.lastIndex; at++)
        if (durable.entryAt(at)?.kind === 'configuration') return false;
      return true;
    });
  }

  /** Does the harm if it may be done now, and takes note of it. */
  harm(position: number, harm: () => void): boolean {
    if (!this.mayHarm(position)) return false;
    this.harms += 1;
    this.#damaged.set(position, this.#committed.lastIndex);
    harm();
    return true;
  }

  /** Looks whether damaged members are whole again. To be called when their platters change or they start. */
  review(): void {
    for (const [position, committedIndex] of this.#damaged) {
      const { running, durable } = this.#members[position] as DamageView;
      if (!running || durable.refusal !== undefined) continue;
      const term = this.#committed.entryAt(committedIndex)?.term ?? 0;
      if (this.#contains(durable, committedIndex, term)) this.#damaged.delete(position);
    }
  }

  #covers(other: DamageView, harmed: DamageView): boolean {
    const { term, votedFor, lastIndex } = harmed.durable;
    const { durable, memberId } = other;
    if (durable.refusal !== undefined || durable.term < term) return false;
    if (durable.term === term && votedFor !== 0) {
      if (votedFor === harmed.memberId) return false;
      if (durable.votedFor === memberId && votedFor !== memberId) return false;
    }
    return this.#contains(durable, lastIndex, this.#termAt(harmed.durable, lastIndex) ?? 0);
  }

  /** By the log matching property one equal entry means that all before it are equal too. */
  #contains(durable: DurableState, index: number, term: number): boolean {
    if (index === 0) return true;
    return durable.lastIndex >= index && this.#termAt(durable, index) === term;
  }

  #termAt(durable: DurableState, index: number): number | undefined {
    if (index === durable.snapshotIndex) return durable.snapshotTerm;
    const entry = durable.entryAt(index);
    if (entry !== undefined) return entry.term;
    // Within its snapshot there is nothing but what was committed.
    return index < durable.snapshotIndex ? this.#committed.entryAt(index)?.term : undefined;
  }
}
