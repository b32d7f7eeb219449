import type { RaftEffects, RaftStatus } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { doesAnything, Harm, holdsDurably, statusOf } from './sights.ts';

interface Leading {
  readonly member: MemberSight;
  readonly term: number;
  readonly sinceUs: number;
  /** By position: up to where the follower's platter was found to agree. */
  readonly matches: number[];
}

/**
 * Looks at what a leader believes of each follower whenever that moves, and at a follower's platter whenever that does.
 * A follower in a newer term owes the old leader nothing; one that came to harm under this leader is left out.
 */
export function matchIsOnDisk(life: LifeSight): Checker {
  const leading: (Leading | undefined)[] = [];
  const positions = new Map<number, MemberSight>();
  const harm = new Harm();

  const followerOf = (memberId: number): MemberSight | undefined => {
    if (positions.size !== life.members.length) {
      for (const member of life.members) positions.set(member.memberId, member);
    }
    return positions.get(memberId);
  };

  const termAt = ({ member }: Leading, index: number): number | undefined =>
    member.raft?.entryAt(index)?.term ?? life.committed.entryAt(index)?.term;

  const owes = (leader: Leading, follower: MemberSight): boolean =>
    follower.durable.term <= leader.term && !harm.since(follower, leader.sinceUs);

  const fail = (leader: Leading, follower: MemberSight, matchIndex: number): never => {
    const found = follower.durable.entryAt(matchIndex)?.term;
    const term = termAt(leader, matchIndex);
    return violated(
      checker,
      `${leader.member.name}, leader of term ${leader.term}, believes that ${follower.name} holds its log up to entry ${matchIndex} (of term ${term ?? 'unknown'}), but the disk there ends at ${follower.durable.lastIndex} and has ${found === undefined ? 'no such entry' : `one of term ${found}`}`,
    );
  };

  const compare = (leader: Leading, status: RaftStatus): void => {
    for (const { peer, matchIndex } of status.peers) {
      const follower = followerOf(peer);
      if (follower === undefined || leader.matches[follower.position] === matchIndex) continue;
      harm.note(follower, life.nowUs);
      if (matchIndex > 0 && owes(leader, follower)) {
        const term = termAt(leader, matchIndex);
        if (term !== undefined && !holdsDurably(follower.durable, matchIndex, term))
          fail(leader, follower, matchIndex);
      }
      leader.matches[follower.position] = matchIndex;
    }
  };

  const checker: Checker = {
    name: '12-match-is-on-disk',
    claim: 'A leader never believes that a follower holds more than is on that follower’s disk.',
    drained(member: MemberSight, effects: RaftEffects) {
      harm.note(member, life.nowUs);
      const { state } = effects;
      let leader = leading[member.position];
      if (state !== undefined && (state.role !== 'leader' || state.term !== leader?.term)) {
        leader =
          state.role === 'leader'
            ? { member, term: state.term, sinceUs: life.nowUs, matches: [] }
            : undefined;
        leading[member.position] = leader;
      }
      if (leader === undefined || !doesAnything(effects)) return;
      const status = statusOf(member, effects);
      if (status !== undefined) compare(leader, status);
    },
    durable(member: MemberSight) {
      harm.note(member, life.nowUs);
      for (const leader of leading) {
        const matchIndex = leader?.matches[member.position] ?? 0;
        if (leader === undefined || matchIndex === 0 || !owes(leader, member)) continue;
        const { durable } = member;
        if (Math.max(durable.lastIndex, durable.snapshotIndex) < matchIndex) fail(leader, member, matchIndex);
        const term = termAt(leader, matchIndex);
        if (term !== undefined && !holdsDurably(durable, matchIndex, term)) fail(leader, member, matchIndex);
      }
    },
    memberStarted(member: MemberSight) {
      leading[member.position] = undefined;
    },
    memberEnded(member: MemberSight) {
      leading[member.position] = undefined;
    },
    memberWiped(member: MemberSight) {
      harm.wiped(member, life.nowUs);
    },
  };
  return checker;
}
