import type { Entry, RaftEffects, RaftStatus } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { doesAnything, statusOf } from './sights.ts';

export interface QueueBounds {
  /** As the members are configured. Defaults: those of the core. */
  readonly maxUncommittedBytes?: number;
  readonly maxAppendBytes?: number;
  readonly maxInflightBytes?: number;
}

/** As the core counts: an entry costs a little even when it is empty. */
const entryOverheadBytes = 32;
const mebibyte = 1024 * 1024;

/** Of one leadership. */
interface Queue {
  readonly term: number;
  readonly base: number;
  /** Bytes of entries from `base + 1` up to each index, by its distance from `base`. */
  readonly sums: number[];
  /** What it found uncommitted when it was elected may go beyond the bound by itself. */
  readonly inheritedBytes: number;
  largestBytes: number;
}

/**
 * Adds up, from the entries in a leader's log, what is not committed yet and what is in flight to each follower. One
 * entry more than the bound is no violation: with nothing waiting even an oversized one is taken.
 */
export function boundedQueues(bounds: QueueBounds = {}): (life: LifeSight) => Checker {
  const maxUncommittedBytes = bounds.maxUncommittedBytes ?? 64 * mebibyte;
  const maxInFlightBytes = (bounds.maxInflightBytes ?? 16 * mebibyte) + (bounds.maxAppendBytes ?? mebibyte);

  return () => {
    const queues: (Queue | undefined)[] = [];

    const sizeOf = (entry: Entry | undefined): number =>
      entry === undefined ? 0 : entry.data.byteLength + entryOverheadBytes;

    const bytesBetween = ({ base, sums }: Queue, after: number, upTo: number): number =>
      (sums[Math.max(0, upTo - base)] ?? 0) - (sums[Math.max(0, after - base)] ?? 0);

    const extend = (member: MemberSight, queue: Queue, lastIndex: number): void => {
      for (let index = queue.base + queue.sums.length; index <= lastIndex; index++) {
        const size = sizeOf(member.raft?.entryAt(index));
        if (size > queue.largestBytes) queue.largestBytes = size;
        queue.sums.push((queue.sums.at(-1) ?? 0) + size);
      }
    };

    const begin = (member: MemberSight, { term, firstIndex, commitIndex, lastIndex }: RaftStatus): Queue => {
      const queue = { term, base: firstIndex - 1, sums: [0], inheritedBytes: 0, largestBytes: 0 };
      extend(member, queue, lastIndex);
      return { ...queue, inheritedBytes: bytesBetween(queue, commitIndex, lastIndex) };
    };

    const check = (member: MemberSight, queue: Queue, status: RaftStatus): void => {
      const { commitIndex, lastIndex } = status;
      const waiting = bytesBetween(queue, commitIndex, lastIndex);
      const most =
        Math.max(maxUncommittedBytes, queue.inheritedBytes) + queue.largestBytes + entryOverheadBytes;
      if (waiting > most) {
        violated(
          checker,
          `${member.name}, leader of term ${queue.term}, holds ${waiting} bytes of entries after its commit index ${commitIndex}; the bound is ${most}`,
        );
      }
      for (const { peer, state, matchIndex, nextIndex } of status.peers) {
        if (state !== 'replicate') continue;
        const inFlight = bytesBetween(queue, matchIndex, nextIndex - 1);
        if (inFlight <= maxInFlightBytes + queue.largestBytes) continue;
        violated(
          checker,
          `${member.name}, leader of term ${queue.term}, has ${inFlight} bytes of entries in flight to member ${peer}, from ${matchIndex + 1} to ${nextIndex - 1}; the bound is ${maxInFlightBytes}`,
        );
      }
    };

    const forget = (member: MemberSight): void => {
      queues[member.position] = undefined;
    };

    const checker: Checker = {
      name: '20-bounded-queues',
      claim:
        'What a leader holds uncommitted, and what it has in flight to a follower, stays within its bounds.',
      drained(member: MemberSight, effects: RaftEffects) {
        const { state } = effects;
        if (state !== undefined && state.role !== 'leader') forget(member);
        let queue = queues[member.position];
        if ((queue === undefined && state === undefined) || !doesAnything(effects)) return;
        const status = statusOf(member, effects);
        if (status === undefined || status.role !== 'leader') return;
        if (queue?.term !== status.term) {
          queue = begin(member, status);
          queues[member.position] = queue;
        }
        extend(member, queue, status.lastIndex);
        check(member, queue, status);
      },
      memberStarted: forget,
      memberEnded: forget,
    };
    return checker;
  };
}
