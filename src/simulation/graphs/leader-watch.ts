import type { RaftEffects } from '../../raft/index.ts';
import type { SimulatedCluster } from '../life/cluster.ts';
import type { SimulatedMember } from '../life/simulated-member.ts';
import type { Checker, MemberSight } from '../observation.ts';

/** Knows who leads, and counts elections. Claims nothing. */
export class LeaderWatch implements Checker {
  readonly name = 'leader-watch';
  readonly claim = 'Somebody is watched.';
  /** How often anybody became leader. */
  elections = 0;
  readonly #cluster: SimulatedCluster;

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster;
  }

  drained(_member: MemberSight, effects: RaftEffects): void {
    if (effects.state?.role === 'leader') this.elections += 1;
  }

  get highestTerm(): number {
    return Math.max(...this.#cluster.members.map(({ raft }) => raft?.status().term ?? 0));
  }

  /** Of those that believe they lead, the one of the highest term. */
  get newest(): SimulatedMember | undefined {
    let newest: SimulatedMember | undefined;
    let term = 0;
    for (const member of this.#cluster.members) {
      const status = member.leads ? member.raft?.status() : undefined;
      if (status === undefined || status.term <= term) continue;
      newest = member;
      term = status.term;
    }
    return newest;
  }

  /** Whom all members follow. */
  get agreed(): SimulatedMember | undefined {
    const { newest } = this;
    if (newest === undefined) return undefined;
    const all = this.#cluster.members.every((member) => {
      const status = member.running ? member.raft?.status() : undefined;
      return status?.leader === newest.memberId;
    });
    return all ? newest : undefined;
  }
}
