import type { RaftEffects, RaftMessage } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { describeConfiguration } from './sights.ts';

/** Counts the votes on the wire, by itself, whenever a member says that it leads: those of voters alone, in joint configurations of both. */
export function electedByAQuorum(life: LifeSight): Checker {
  /** By position of the candidate: who granted it a vote in the latest term. */
  const granted: ({ readonly term: number; readonly by: Set<number> } | undefined)[] = [];
  const led: number[] = [];

  const checker: Checker = {
    name: 'elected-by-a-quorum',
    claim: 'Who leads has the votes of a quorum of the configuration in force; votes of others do not count.',
    sent(from: MemberSight, to: MemberSight, message: RaftMessage) {
      if (message.type !== 'vote-response' || !message.granted) return;
      const { term } = message;
      const votes = granted[to.position];
      if (votes?.term === term) votes.by.add(from.memberId);
      else if (votes === undefined || votes.term < term)
        granted[to.position] = { term, by: new Set([from.memberId]) };
    },
    drained(member: MemberSight, { state }: RaftEffects) {
      const { configurations } = life;
      if (state?.role !== 'leader' || configurations === undefined || led[member.position] === state.term)
        return;
      led[member.position] = state.term;
      const votes = granted[member.position];
      const by = votes?.term === state.term ? votes.by : new Set<number>();
      const counts = (voter: number): boolean => voter === member.memberId || by.has(voter);
      const { configuration } = configurations.of(member);
      if (configurations.isQuorum(configuration, counts)) return;
      const before = configurations.before(member);
      if (before !== undefined && configurations.isQuorum(before.configuration, counts)) return;
      const names = [...by].map((id) => configurations.memberOf(id)?.name ?? `${id}`);
      violated(
        checker,
        `${member.name} leads in term ${state.term} with the votes of itself and ${names.join(', ') || 'nobody'}, which is no quorum of ${describeConfiguration(configuration, life)}`,
      );
    },
  };
  return checker;
}
