import type { Entry, RaftEffects } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { describeEntry, Harm, sameEntry } from './sights.ts';

/**
 * Compares every report of a committed entry with the first one, and holds each member to what it reported itself: it
 * may neither write anything else at those indexes nor lose them from its disk, over all its lives.
 */
export function committedStays(life: LifeSight): Checker {
  /** Up to here each member reported entries as committed. */
  const reported: number[] = [];
  const harm = new Harm();

  const compare = (member: MemberSight, entry: Entry, what: string): void => {
    const first = life.committed.entryAt(entry.index);
    if (first === undefined || sameEntry(entry, first)) return;
    violated(
      checker,
      `${member.name} ${what} ${describeEntry(entry)}, but ${describeEntry(first)} was committed`,
    );
  };

  const checkDisk = (member: MemberSight): void => {
    harm.note(member, life.nowUs);
    if (member.damaged) return;
    const { durable } = member;
    const last = reported[member.position] ?? 0;
    if (durable.lastIndex >= last || durable.snapshotIndex >= last) return;
    violated(
      checker,
      `${member.name} reported entries up to ${last} as committed, but its disk holds only those up to ${durable.lastIndex}`,
    );
  };

  const checker: Checker = {
    name: '06-committed-stays',
    claim: 'What is committed at an index never changes and is never lost.',
    drained(member: MemberSight, { committed, persist }: RaftEffects) {
      const last = reported[member.position] ?? 0;
      if (persist !== undefined) {
        for (const entry of persist.entries) {
          if (entry.index > last) break;
          compare(member, entry, 'writes, over what it reported as committed,');
        }
      }
      const newest = committed.at(-1);
      if (newest === undefined) return;
      for (const entry of committed) compare(member, entry, 'reports as committed');
      reported[member.position] = Math.max(last, newest.index);
      checkDisk(member);
    },
    durable: checkDisk,
    memberWiped(member: MemberSight) {
      reported[member.position] = 0;
    },
  };
  return checker;
}
