import type { Entry, RaftEffects, SnapshotMeta } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { Harm, statusOf, touchesLog } from './sights.ts';

interface Progress {
  /** Up to here the member was given entries to apply, or a snapshot that holds them. */
  handedOut: number;
  applied: number;
  /** A snapshot that it was told to put in place and has not yet; 0: none. */
  installing: number;
}

/** Looks at the indexes of each member, at the row of entries that it applies, and at its platter. */
export function indexesInOrder(life: LifeSight): Checker {
  const progress: (Progress | undefined)[] = [];
  const harm = new Harm();
  /** Who ever had a snapshot up to that index on its platter: one that another had may have been received. */
  const holders = new Map<number, Set<number>>();

  const inOrder = (
    member: MemberSight,
    low: number,
    lowName: string,
    high: number,
    highName: string,
  ): void => {
    if (low > high) violated(checker, `${member.name}: ${lowName}, ${low}, is above ${highName}, ${high}`);
  };

  const checkCore = (member: MemberSight, effects: RaftEffects, state: Progress): void => {
    const status = statusOf(member, effects);
    if (status === undefined) return;
    const { firstIndex, appliedIndex, commitIndex, lastIndex } = status;
    inOrder(member, firstIndex - 1, 'the end of what is compacted', commitIndex, 'the commit index');
    inOrder(member, appliedIndex, 'the applied index', commitIndex, 'the commit index');
    inOrder(member, commitIndex, 'the commit index', lastIndex, 'the end of the log');
    if (state.installing > 0) return;
    inOrder(member, firstIndex - 1, 'the end of what is compacted', appliedIndex, 'the applied index');
    inOrder(member, appliedIndex, 'the applied index', state.applied, 'the index of the keyspace');
  };

  const checkHandedOut = (member: MemberSight, committed: readonly Entry[], state: Progress): void => {
    for (const { index } of committed) {
      if (index !== state.handedOut + 1) {
        violated(
          checker,
          `${member.name} is given entry ${index} to apply after entry ${state.handedOut}, with a gap or twice`,
        );
      }
      state.handedOut = index;
    }
  };

  /** One that the member made itself holds nothing that it has not applied. */
  const checkOwnSnapshot = (member: MemberSight, snapshotIndex: number): void => {
    const state = progress[member.position];
    const had = holders.get(snapshotIndex) ?? new Set();
    holders.set(snapshotIndex, had.add(member.position));
    if (state === undefined || state.installing > 0 || had.size > 1) return;
    inOrder(member, snapshotIndex, 'the snapshot that it made', state.applied, 'the index of the keyspace');
  };

  const checkDisk = (member: MemberSight): void => {
    harm.note(member, life.nowUs);
    const { durable } = member;
    if (!harm.isReadable(member)) return;
    const { snapshotIndex, lastIndex, commitIndex } = durable;
    checkOwnSnapshot(member, snapshotIndex);
    inOrder(member, snapshotIndex, 'the durable snapshot', lastIndex, 'the end of the durable log');
    inOrder(member, commitIndex, 'the durable commit index', lastIndex, 'the end of the durable log');
    if (lastIndex === snapshotIndex) return;
    for (const index of [snapshotIndex + 1, lastIndex]) {
      if (durable.entryAt(index)?.index !== index) {
        violated(
          checker,
          `the disk of ${member.name} has a snapshot up to ${snapshotIndex} and a log up to ${lastIndex}, but no entry ${index}`,
        );
      }
    }
  };

  const checker: Checker = {
    name: '10-indexes-in-order',
    claim: 'Snapshot, applied index, commit index and end of the log are in this order, without a gap.',
    memberStarted(member: MemberSight) {
      const status = member.raft?.status();
      const applied = member.keyspace?.appliedIndex ?? 0;
      const handedOut = (status?.firstIndex ?? 1) - 1;
      progress[member.position] = { handedOut, applied, installing: 0 };
      if (applied !== handedOut)
        violated(
          checker,
          `${member.name} starts with a keyspace at index ${applied}, but with a log that begins after ${handedOut}`,
        );
    },
    memberEnded(member: MemberSight) {
      progress[member.position] = undefined;
    },
    drained(member: MemberSight, effects: RaftEffects) {
      const state = progress[member.position];
      if (state === undefined || !touchesLog(effects)) return;
      const snapshot = effects.persist?.snapshot?.meta;
      if (snapshot !== undefined) {
        state.installing = Math.max(state.installing, snapshot.index);
        state.handedOut = Math.max(state.handedOut, snapshot.index);
      }
      checkHandedOut(member, effects.committed, state);
      checkCore(member, effects, state);
    },
    applied(member: MemberSight, entry: Entry) {
      const state = progress[member.position];
      if (state === undefined) return;
      if (entry.index !== state.applied + 1)
        violated(checker, `${member.name} applied entry ${entry.index} when it stood at ${state.applied}`);
      inOrder(member, entry.index, 'the applied entry', state.handedOut, 'what it was given to apply');
      state.applied = entry.index;
    },
    installed(member: MemberSight, snapshot: SnapshotMeta) {
      const state = progress[member.position];
      if (state === undefined) return;
      state.applied = Math.max(snapshot.index, member.keyspace?.appliedIndex ?? 0);
      if (state.applied >= state.installing) state.installing = 0;
    },
    durable: checkDisk,
    memberWiped(member: MemberSight) {
      harm.wiped(member, life.nowUs);
    },
  };
  return checker;
}
