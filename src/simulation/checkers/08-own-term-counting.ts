import type { RaftEffects } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { statusOf, touchesLog } from './sights.ts';

/**
 * Looks at each step of a leader's commit index (§5.4.2, figure 8), from the drain on in which it comes to lead: nobody
 * else can have told it of a commit in that one.
 */
export function ownTermCounting(life: LifeSight): Checker {
  /** By position, whoever leads; undefined: it does not run. */
  const commitIndexes: (number | undefined)[] = [];

  const checker: Checker = {
    name: '08-own-term-counting',
    claim: 'A leader commits by counting only up to an entry of its own term.',
    drained(member: MemberSight, effects: RaftEffects) {
      if (!touchesLog(effects)) return;
      const status = statusOf(member, effects);
      if (status === undefined) return;
      const { role, term, commitIndex } = status;
      const before = commitIndexes[member.position];
      if (commitIndex === before) return;
      commitIndexes[member.position] = commitIndex;
      if (role !== 'leader' || before === undefined) return;
      const entry = member.raft?.entryAt(commitIndex) ?? life.committed.entryAt(commitIndex);
      if (entry === undefined || entry.term === term) return;
      violated(
        checker,
        `${member.name}, leader of term ${term}, moved its commit index from ${before} to ${commitIndex}, whose entry is of term ${entry.term}`,
      );
    },
    memberStarted(member: MemberSight) {
      commitIndexes[member.position] = member.raft?.status().commitIndex;
    },
    memberEnded(member: MemberSight) {
      commitIndexes[member.position] = undefined;
    },
  };
  return checker;
}
