import type { RaftEffects } from '../../raft/index.ts';
import { type Checker, type CheckerFactory, type MemberSight, violated } from '../observation.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

/** What a member asked of a disk that hangs. */
interface Waiting {
  readonly life: number;
  /** Which of the disk's hangs. */
  readonly hang: number;
  /** By the member's own clock, which stands still while its host sleeps. */
  readonly sinceMs: number;
  /** How often it still led after the limit, at turns some time apart, and when it did last. */
  seen: number;
  seenMs: number;
}

/** More than a leader's patience can be: it grows with slow disks and links that lose much, to more than three seconds. */
const limitMs = 4500;
/** A process that stood still may have its first turn long after the limit. */
const turns = 3;
const turnsApartMs = 50;

/**
 * A disk that hangs lets nothing be committed by its leader, who could go on sending heartbeats for ever. What the
 * leader asked is taken from its effects, and that it was not done from the disk.
 */
export function stuckDiskChecker(diskOf: (member: MemberSight) => SimulatedDisk): CheckerFactory {
  return () => {
    const waiting: (Waiting | undefined)[] = [];
    const checker: Checker = {
      name: 'stuck-disk',
      claim: 'A leader whose disk does not answer gives up the leadership in bounded time.',
      drained(member: MemberSight, effects: RaftEffects) {
        const { position } = member;
        const disk = diskOf(member);
        if (!disk.hanging) return;
        const hang = disk.faults.counts.hangs;
        const nowMs = disk.host.monotonicMs();
        let since = waiting[position];
        if (since?.hang !== hang || since.life !== member.life) {
          if (effects.persist === undefined) return;
          since = { hang, life: member.life, sinceMs: nowMs, seen: 0, seenMs: 0 };
          waiting[position] = since;
        }
        if (nowMs - since.sinceMs < limitMs || nowMs - since.seenMs < turnsApartMs) return;
        if (member.raft?.status().role !== 'leader') return;
        since.seen += 1;
        since.seenMs = nowMs;
        if (since.seen < turns) return;
        violated(
          checker,
          `${member.name} still leads ${(nowMs - since.sinceMs).toFixed(3)} ms after it asked its disk, which hangs, for a write.`,
        );
      },
    };
    return checker;
  };
}
