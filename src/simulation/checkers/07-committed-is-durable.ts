import type { RaftEffects, RaftMessage } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { describeConfiguration, holdsDurably, PlatterTerms, statusOf, touchesLog } from './sights.ts';

/** What a platter held when it came to harm. */
interface Lost {
  readonly platter: PlatterTerms;
  /** The highest index that the member had acknowledged by then: such an answer may still count somewhere. */
  readonly acknowledged: number;
  /** The life in which it happened, if that one may run on without noticing; -1 once the disk is empty. */
  life: number;
}

/**
 * Counts disks, by itself, whenever anybody first says that an index is committed: by handing out entries, by its own
 * commit index, or by telling others of it. A member that came to harm counts with what it had acknowledged before,
 * and no more: what it says afterwards must be on its disk again.
 */
export function committedIsDurable(life: LifeSight): Checker {
  /** All up to here was found on a quorum. */
  let verified = 0;
  const platters: PlatterTerms[] = [];
  const acknowledged: number[] = [];
  const lost: (Lost | undefined)[] = [];

  const holds = (member: MemberSight, index: number, term: number): boolean => {
    if (holdsDurably(member.durable, index, term)) return true;
    const before = lost[member.position];
    if (before === undefined) return false;
    if (index <= before.acknowledged && before.platter.has(index, term)) return true;
    // Its own life cannot know that what it wrote and synced went bad.
    return before.life === member.life && member.running && member.raft?.entryAt(index)?.term === term;
  };

  /** By a quorum of the configuration in force on who says that it is committed. */
  const isHeld = (member: MemberSight, index: number, term: number): boolean => {
    const { configurations, members } = life;
    if (configurations === undefined) {
      let holders = 0;
      for (const other of members) if (holds(other, index, term)) holders += 1;
      return holders * 2 > members.length;
    }
    const counts = (voter: number): boolean => {
      const other = configurations.memberOf(voter);
      return other !== undefined && holds(other, index, term);
    };
    if (configurations.isQuorum(configurations.of(member).configuration, counts)) return true;
    const before = configurations.before(member);
    return before !== undefined && configurations.isQuorum(before.configuration, counts);
  };

  const verify = (member: MemberSight, commitIndex: number, how: string): void => {
    while (verified < commitIndex) {
      const index = verified + 1;
      const entry = member.raft?.entryAt(index) ?? life.committed.entryAt(index);
      if (entry !== undefined && !isHeld(member, index, entry.term))
        report(member, how, index, entry.term, commitIndex);
      verified = index;
    }
  };

  const report = (by: MemberSight, how: string, index: number, term: number, commitIndex: number): never => {
    const disks = life.members.map(({ name, durable }) => {
      const found = durable.entryAt(index)?.term;
      return `${name} ${found === undefined ? 'has none' : `has term ${found}`} (its log ends at ${durable.lastIndex})`;
    });
    return violated(
      checker,
      `${by.name} ${how} that ${commitIndex} is committed, but entry ${index} of term ${term} is not on the disks of a quorum of ${describeConfiguration(life.configurations?.of(by).configuration, life)}: ${disks.join(', ')}`,
    );
  };

  const harmed = (member: MemberSight, lifeNumber: number): void => {
    const { position } = member;
    if (lost[position] !== undefined) return;
    const platter = platters[position]?.copy() ?? new PlatterTerms();
    lost[position] = { platter, acknowledged: acknowledged[position] ?? 0, life: lifeNumber };
    acknowledged[position] = 0;
  };

  const checker: Checker = {
    name: '07-committed-is-durable',
    claim: 'What is committed is on the disks of a quorum of the configuration in force.',
    drained(member: MemberSight, effects: RaftEffects) {
      if (member.damaged) harmed(member, member.life);
      if (!touchesLog(effects)) return;
      const commitIndex = statusOf(member, effects)?.commitIndex ?? 0;
      if (commitIndex > verified) verify(member, commitIndex, 'says');
      const newest = effects.committed.at(-1);
      if (newest !== undefined && newest.index > verified) verify(member, newest.index, 'says');
    },
    sent(from: MemberSight, to: MemberSight, message: RaftMessage) {
      if (message.type === 'append' || message.type === 'heartbeat') {
        if (message.commitIndex > verified) verify(from, message.commitIndex, `tells ${to.name}`);
      } else if (message.type === 'append-response' && message.accepted) {
        const { position } = from;
        if (message.matchIndex > (acknowledged[position] ?? 0)) acknowledged[position] = message.matchIndex;
      }
    },
    durable(member: MemberSight) {
      const { position } = member;
      if (member.damaged) {
        harmed(member, member.life);
        return;
      }
      const before = lost[position];
      // Nothing that was acknowledged before the harm can be committed for the first time any more.
      if (before !== undefined && before.acknowledged <= verified) lost[position] = undefined;
      platters[position] ??= new PlatterTerms();
      (platters[position] as PlatterTerms).follow(member.durable);
    },
    memberWiped(member: MemberSight) {
      harmed(member, -1);
      const before = lost[member.position];
      if (before !== undefined) before.life = -1;
      platters[member.position] = new PlatterTerms();
    },
  };
  return checker;
}
