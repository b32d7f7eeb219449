import {
  type Configuration,
  type Entry,
  isVoter,
  type RaftCore,
  type RaftEffects,
} from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { statusOf, touchesLog } from './sights.ts';

/**
 * Looks at new leaders, at leaders whose own removal is committed, and, for lives in which members leave, at what a
 * leader does with messages from those who left.
 */
export function removedStaysOut(life: LifeSight): Checker {
  /** Committed configurations, with the term of whoever first said so: leaders of later terms have them. */
  const committed: {
    readonly term: number;
    readonly index: number;
    readonly configuration: Configuration;
  }[] = [];
  /** By position: the term, and the end of its log when a leader knew that it is not a voter any more. */
  const parting: ({ readonly term: number; readonly lastIndex: number } | undefined)[] = [];

  /** By position: what a step did that the next drain tells. */
  const disturbed: (string | undefined)[] = [];

  const checkElected = (member: MemberSight, term: number): void => {
    const latest = committed.findLast((version) => version.term < term);
    if (latest === undefined || isVoter(latest.configuration, member.memberId)) return;
    const own = life.configurations?.of(member);
    const commitIndex = member.raft?.status().commitIndex ?? 0;
    if (own !== undefined && own.index >= latest.index && commitIndex < own.index) {
      // What stands in its log after that may have made it a voter again. And one that holds its removal, and cannot know
      // that it is committed, may lead until it is (dissertation §4.2.2): nobody else may hold it.
      return;
    }
    violated(
      checker,
      `${member.name} leads in term ${term}, but the configuration at ${latest.index}, committed in term ${latest.term}, leaves it out of the voters`,
    );
  };

  const checkParting = (member: MemberSight, effects: RaftEffects): void => {
    const { configurations } = life;
    const status = statusOf(member, effects);
    if (configurations === undefined || status?.role !== 'leader') {
      parting[member.position] = undefined;
      return;
    }
    const { index, configuration } = configurations.of(member);
    const { term, commitIndex, lastIndex } = status;
    const since = parting[member.position];
    if (since?.term === term && lastIndex > since.lastIndex) {
      violated(
        checker,
        `${member.name} goes on leading in term ${term}: it appended up to ${lastIndex} after its removal at ${index} was committed`,
      );
    }
    const gone = commitIndex >= index && !isVoter(configuration, member.memberId);
    parting[member.position] = gone ? { term, lastIndex } : undefined;
  };

  const isGone = (member: MemberSight, sender: number, commitIndex: number): boolean => {
    const inForce = life.configurations?.of(member);
    if (inForce === undefined || inForce.index > commitIndex) return false;
    return isUnknown(member, sender);
  };

  const isUnknown = (member: MemberSight, sender: number): boolean => {
    const { voters, outgoing, learners } = life.configurations?.of(member).configuration ?? { voters: [] };
    return (
      !voters.includes(sender) && outgoing?.includes(sender) !== true && learners?.includes(sender) !== true
    );
  };

  const lookOn = (member: MemberSight, raft: RaftCore): void => {
    const step = raft.step.bind(raft);
    raft.step = (event, nowMs) => {
      if (event.type !== 'message' || !isUnknown(member, event.message.from)) {
        step(event, nowMs);
        return;
      }
      const { from, type } = event.message;
      const { role, term, commitIndex } = raft.status();
      step(event, nowMs);
      if (role !== 'leader' || raft.status().role === 'leader') return;
      if (!isGone(member, from, commitIndex)) return;
      const name = life.configurations?.memberOf(from)?.name ?? from;
      disturbed[member.position] =
        `${type} of ${name}, which was removed, ended the leadership of ${member.name} in term ${term}`;
    };
  };

  const checker: Checker = {
    name: 'removed-stays-out',
    claim:
      'Who knows that its removal is committed, or does not hold it, is not elected; it appends nothing as a leader, and deposes nobody.',
    memberStarted(member: MemberSight) {
      parting[member.position] = undefined;
      if (member.raft !== undefined && life.changing === true) lookOn(member, member.raft);
    },
    committed(entry: Entry, by: MemberSight) {
      if (entry.kind !== 'configuration') return;
      const { index, configuration } = life.configurations?.committed ?? {
        index: 0,
        configuration: { voters: [] },
      };
      if (index !== entry.index) return;
      const term = Math.max(by.raft?.status().term ?? 0, committed.at(-1)?.term ?? 0);
      committed.push({ term, index, configuration });
    },
    drained(member: MemberSight, effects: RaftEffects) {
      const { state } = effects;
      const disturbance = disturbed[member.position];
      if (disturbance !== undefined) violated(checker, disturbance);
      if (state?.role === 'leader') checkElected(member, state.term);
      if (touchesLog(effects) || parting[member.position] !== undefined) checkParting(member, effects);
    },
  };
  return checker;
}
