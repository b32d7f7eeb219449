import type { RaftEffects, RaftMessage } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { Harm, holdsDurably } from './sights.ts';

/**
 * Holds the commit index of each heartbeat against the platter of the follower that is to take it on faith, and that of
 * each append against what it carries. A follower that came to harm under this leader is left out.
 */
export function heartbeatCommit(life: LifeSight): Checker {
  /** By position of the follower: up to here its platter was found to hold what is committed. */
  const found: number[] = [];
  const leadingSinceUs: number[] = [];
  const harm = new Harm();

  const checkHeartbeat = (
    from: MemberSight,
    to: MemberSight,
    message: RaftMessage & { type: 'heartbeat' },
  ): void => {
    const { commitIndex, term } = message;
    harm.note(to, life.nowUs);
    if (harm.since(to, leadingSinceUs[from.position] ?? 0)) return;
    if (commitIndex <= (found[to.position] ?? 0)) return;
    const committedTerm = from.raft?.entryAt(commitIndex)?.term ?? life.committed.entryAt(commitIndex)?.term;
    if (committedTerm === undefined) return;
    if (!holdsDurably(to.durable, commitIndex, committedTerm)) {
      const held = to.durable.entryAt(commitIndex)?.term;
      violated(
        checker,
        `the heartbeat of ${from.name} in term ${term} tells ${to.name} that entry ${commitIndex} of term ${committedTerm} is committed, but the disk of ${to.name} ends at ${to.durable.lastIndex} and has ${held === undefined ? 'no such entry' : `one of term ${held}`}`,
      );
    }
    found[to.position] = commitIndex;
  };

  const checker: Checker = {
    name: '14-heartbeat-commit',
    claim: 'A leader tells no follower of a commit index above what that follower holds of its log.',
    drained(member: MemberSight, { state }: RaftEffects) {
      if (state?.role === 'leader') leadingSinceUs[member.position] = life.nowUs;
    },
    sent(from: MemberSight, to: MemberSight, message: RaftMessage) {
      if (message.type === 'heartbeat') checkHeartbeat(from, to, message);
      if (message.type !== 'append') return;
      const carried = message.previousIndex + message.entries.length;
      if (message.commitIndex <= carried) return;
      violated(
        checker,
        `${from.name} sent ${to.name} entries up to ${carried} in term ${message.term}, but says with them that ${message.commitIndex} is committed`,
      );
    },
    durable(member: MemberSight) {
      harm.note(member, life.nowUs);
      if (member.damaged) found[member.position] = 0;
    },
    memberWiped(member: MemberSight) {
      harm.wiped(member, life.nowUs);
      found[member.position] = 0;
    },
  };
  return checker;
}
