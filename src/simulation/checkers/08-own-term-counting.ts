import type { RaftEffects } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { doesAnything, statusOf } from './sights.ts';

/** Looks at each step of a leader's commit index (§5.4.2, figure 8). */
export function ownTermCounting(life: LifeSight): Checker {
  const leading: ({ readonly term: number; commitIndex: number } | undefined)[] = [];

  const forget = (member: MemberSight): void => {
    leading[member.position] = undefined;
  };

  const checker: Checker = {
    name: '08-own-term-counting',
    claim: 'A leader commits by counting only up to an entry of its own term.',
    drained(member: MemberSight, effects: RaftEffects) {
      const { state } = effects;
      if (state !== undefined && state.role !== 'leader') forget(member);
      const leader = leading[member.position];
      if (leader === undefined && state?.role !== 'leader') return;
      if (!doesAnything(effects)) return;
      const status = statusOf(member, effects);
      if (status === undefined) return;
      const { term, commitIndex } = status;
      if (leader?.term !== term) {
        leading[member.position] = { term, commitIndex };
        return;
      }
      if (commitIndex === leader.commitIndex) return;
      const entry = member.raft?.entryAt(commitIndex) ?? life.committed.entryAt(commitIndex);
      if (entry !== undefined && entry.term !== term) {
        violated(
          checker,
          `${member.name}, leader of term ${term}, moved its commit index from ${leader.commitIndex} to ${commitIndex}, whose entry is of term ${entry.term}`,
        );
      }
      leader.commitIndex = commitIndex;
    },
    memberStarted: forget,
    memberEnded: forget,
  };
  return checker;
}
