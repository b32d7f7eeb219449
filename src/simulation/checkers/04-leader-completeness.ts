import type { RaftEffects } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { statusOf } from './sights.ts';

/** Up to `lastIndex` everything was committed in this term or before. */
interface Stretch {
  readonly term: number;
  lastIndex: number;
}

/**
 * Looks at the whole log of each new leader, and at those who lead already when something is said to be committed. A
 * leader of an older term, one whose votes were late, owes nothing of what was committed after its term.
 */
export function leaderCompleteness(life: LifeSight): Checker {
  /** Rising, in index and term. */
  const stretches: Stretch[] = [];
  const leading: ({ readonly member: MemberSight; readonly term: number } | undefined)[] = [];

  const compare = (member: MemberSight, term: number, index: number, committedTerm: number): void => {
    const held = member.raft?.entryAt(index)?.term;
    if (held === committedTerm) return;
    const has = held === undefined ? 'has no such entry' : `has one of term ${held} there`;
    violated(
      checker,
      `entry ${index} of term ${committedTerm} was committed before term ${term}, but ${member.name}, leader of term ${term}, ${has}`,
    );
  };

  const examine = (member: MemberSight, effects: RaftEffects): void => {
    const status = statusOf(member, effects);
    if (status === undefined) return;
    let owed = 0;
    for (const stretch of stretches) if (stretch.term < status.term) owed = stretch.lastIndex;
    for (let index = status.firstIndex; index <= owed; index++) {
      const entry = life.committed.entryAt(index);
      if (entry !== undefined) compare(member, status.term, index, entry.term);
    }
  };

  const checker: Checker = {
    name: '04-leader-completeness',
    claim: 'What was committed is in the log of every later leader.',
    drained(member: MemberSight, effects: RaftEffects) {
      const { state, committed } = effects;
      if (state !== undefined) {
        const before = leading[member.position];
        leading[member.position] = state.role === 'leader' ? { member, term: state.term } : undefined;
        if (state.role === 'leader' && before?.term !== state.term) examine(member, effects);
      }
      const last = committed.at(-1);
      const latest = stretches.at(-1);
      if (last === undefined || last.index <= (latest?.lastIndex ?? 0)) return;
      // Whoever says so may have learnt it in a later term than it was done: then less is owed, never more.
      const term = Math.max(statusOf(member, effects)?.term ?? 0, latest?.term ?? 0);
      for (const leader of leading) {
        if (leader === undefined || leader.term <= term) continue;
        const firstIndex = leader.member.raft?.status().firstIndex ?? 1;
        for (const entry of committed) {
          if (entry.index > (latest?.lastIndex ?? 0) && entry.index >= firstIndex)
            compare(leader.member, leader.term, entry.index, entry.term);
        }
      }
      if (latest !== undefined && latest.term === term) latest.lastIndex = last.index;
      else stretches.push({ term, lastIndex: last.index });
    },
    memberStarted(member: MemberSight) {
      leading[member.position] = undefined;
    },
    memberEnded(member: MemberSight) {
      leading[member.position] = undefined;
    },
  };
  return checker;
}
