import type { RaftEffects, RaftMessage } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';

/** Looks at who says that it leads, and at who sends what only a leader sends. */
export function oneLeaderForATerm(_life: LifeSight): Checker {
  const leaders = new Map<number, MemberSight>();
  let lastTerm = -1;
  let lastLeader: MemberSight | undefined;

  const leads = (member: MemberSight, term: number, evidence: string): void => {
    if (term === lastTerm && member === lastLeader) return;
    const known = leaders.get(term);
    if (known === undefined) leaders.set(term, member);
    else if (known.memberId !== member.memberId) {
      violated(
        checker,
        `${member.name} ${evidence} in term ${term}, but ${known.name} is the leader of that term`,
      );
    }
    lastTerm = term;
    lastLeader = member;
  };

  const checker: Checker = {
    name: '01-one-leader-for-a-term',
    claim: 'At most one member is ever the leader of a term.',
    drained(member: MemberSight, { state }: RaftEffects) {
      if (state?.role === 'leader') leads(member, state.term, 'says that it leads');
    },
    sent(from: MemberSight, _to: MemberSight, message: RaftMessage) {
      const { type, term } = message;
      if (type === 'append' || type === 'heartbeat' || type === 'timeout-now')
        leads(from, term, `sent ${type}`);
    },
  };
  return checker;
}
