import type { Entry, RaftEffects, RaftMessage, RaftStatus, SnapshotMeta } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { Harm, statusOf, touchesLog } from './sights.ts';

const nothing = { term: 0, votedFor: 0, commitIndex: 0, snapshotIndex: 0 };

/** What is remembered of one member. */
class Memory {
  /** Of its disk, over all lives. */
  readonly disk = { ...nothing };
  /** Its disk was harmed since `disk` was noted, so that it may have lost all that. */
  harmed = false;
  /** Of the process, in one life. */
  readonly process = { term: 0, commitIndex: 0, appliedIndex: 0, keyspaceIndex: 0 };
  /** The vote that the member last sent to anybody, over all lives. */
  readonly sentVote = { term: 0, candidate: 0 };
}

/** Looks at the hard state on the platters, at what the members say of themselves, and at the votes on the wire. */
export function nothingGoesBack(life: LifeSight): Checker {
  const memories: Memory[] = [];
  const harm = new Harm();

  const of = (member: MemberSight): Memory => {
    memories[member.position] ??= new Memory();
    return memories[member.position] as Memory;
  };

  const name = (member: MemberSight, id: number): string =>
    id === 0
      ? 'nobody'
      : (life.members.find((other) => other.memberId === id)?.name ?? `${id} (${member.name})`);

  const rise = <K extends string>(
    member: MemberSight,
    where: string,
    what: K,
    before: Record<K, number>,
    now: number,
  ): void => {
    if (now < before[what])
      violated(checker, `the ${where} ${what} of ${member.name} fell from ${before[what]} to ${now}`);
    before[what] = now;
  };

  const checkDisk = (member: MemberSight): void => {
    harm.note(member, life.nowUs);
    const memory = of(member);
    if (!harm.isReadable(member)) {
      memory.harmed = true;
      return;
    }
    const { disk } = memory;
    if (memory.harmed) {
      memory.harmed = false;
      Object.assign(disk, nothing);
    }
    const { term, votedFor, commitIndex, snapshotIndex } = member.durable;
    if (term === disk.term && disk.votedFor !== 0 && votedFor !== disk.votedFor) {
      violated(
        checker,
        `${member.name} had voted for ${name(member, disk.votedFor)} in term ${term}, and now its disk says ${name(member, votedFor)}`,
      );
    }
    rise(member, 'durable', 'term', disk, term);
    // A snapshot holds only what is committed, and its file may be there before the log tells of it.
    rise(member, 'durable', 'commitIndex', disk, Math.max(commitIndex, snapshotIndex));
    rise(member, 'durable', 'snapshotIndex', disk, snapshotIndex);
    disk.votedFor = votedFor;
  };

  const checkProcess = (member: MemberSight, status: RaftStatus): void => {
    const { process } = of(member);
    rise(member, 'own', 'term', process, status.term);
    rise(member, 'own', 'commitIndex', process, status.commitIndex);
    rise(member, 'own', 'appliedIndex', process, status.appliedIndex);
  };

  const advance = (member: MemberSight, index: number): void =>
    rise(member, 'keyspace’s', 'keyspaceIndex', of(member).process, index);

  const checker: Checker = {
    name: '09-nothing-goes-back',
    claim:
      'Term, vote, commit and applied index never go back, and in one term a member votes for one candidate.',
    durable: checkDisk,
    memberStarted(member: MemberSight) {
      const status = member.raft?.status();
      if (status === undefined) return;
      const memory = of(member);
      const { process, disk } = memory;
      const found = harm.isReadable(member) && !memory.harmed ? disk : nothing;
      process.term = found.term;
      // What is said to be committed beyond the end of the log was lost with it.
      process.commitIndex = Math.min(found.commitIndex, status.lastIndex);
      process.appliedIndex = found.snapshotIndex;
      process.keyspaceIndex = found.snapshotIndex;
      checkProcess(member, status);
      advance(member, member.keyspace?.appliedIndex ?? 0);
    },
    drained(member: MemberSight, effects: RaftEffects) {
      if (!touchesLog(effects)) return;
      const status = statusOf(member, effects);
      if (status !== undefined) checkProcess(member, status);
    },
    applied(member: MemberSight, entry: Entry) {
      advance(member, entry.index);
    },
    installed(member: MemberSight, snapshot: SnapshotMeta) {
      advance(member, member.keyspace?.appliedIndex ?? snapshot.index);
    },
    sent(from: MemberSight, _to: MemberSight, message: RaftMessage) {
      let candidate = 0;
      if (message.type === 'vote') candidate = from.memberId;
      else if (message.type === 'vote-response' && message.granted) candidate = message.to;
      if (candidate === 0) return;
      const { sentVote } = of(from);
      if (message.term === sentVote.term && candidate !== sentVote.candidate) {
        violated(
          checker,
          `${from.name} votes for ${name(from, candidate)} in term ${message.term}, in which it has voted for ${name(from, sentVote.candidate)}`,
        );
      }
      if (message.term < sentVote.term) return;
      sentVote.term = message.term;
      sentVote.candidate = candidate;
    },
    memberWiped(member: MemberSight) {
      harm.wiped(member, life.nowUs);
      memories[member.position] = new Memory();
    },
  };
  return checker;
}
