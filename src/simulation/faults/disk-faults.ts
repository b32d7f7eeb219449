import type { Overlaps } from './overlaps.ts';
import type { Fault } from './schedule.ts';
import { memberFor, nothingToUndo, type StrikableMember, type Strike, type Targets } from './targets.ts';

export function strikeDisk(fault: Fault, targets: Targets, overlaps: Overlaps): Strike {
  const member = memberFor(fault, targets);
  const { faults } = member.disk;
  switch (fault.kind) {
    case 'write-error':
      faults.failNext('write');
      return nothingToUndo;
    case 'sync-error':
      faults.failNext(fault.how % 4 === 0 ? 'sync-folder' : 'sync');
      return nothingToUndo;
    case 'disk-full':
      return overlaps.override(faults, { capacityBytes: 0 });
    case 'disk-hang':
      member.disk.hang();
      return () => member.disk.release();
    case 'stuck-disk':
      return stick(targets);
    case 'slow-folder':
      return slowFolder(fault, targets);
    case 'folder-power-failure':
      return folderLosesPower(targets);
    case 'slow-disk':
      return overlaps.override(faults, { slowness: 2 + (fault.how % 60) });
    default:
      return undefined;
  }
}

/** The disk of the leader, so long that it must not lead any more. */
function stick({ members }: Targets): Strike {
  const leader = members.find((member) => member.leads);
  if (leader === undefined || leader.disk.hanging) return undefined;
  leader.disk.hang();
  return () => leader.disk.release();
}

/** Some of the operations where jobs write take up to seconds. */
function slowFolder({ how }: Fault, { shared }: Targets): Strike {
  if (shared.hesitation !== undefined) return undefined;
  shared.hesitation = { chance: 0.05 * (1 + (how % 8)), longestUs: 200_000 * (1 + ((how >>> 8) % 15)) };
  return () => {
    shared.hesitation = undefined;
  };
}

/** And the candidates, whose folder it is, with it; they come back when the power does. */
function folderLosesPower({ candidates, shared }: Targets): Strike {
  if (candidates.length === 0) return undefined;
  for (const candidate of candidates) if (candidate.process?.alive) candidate.kill();
  shared.powerFails();
  return () => {
    for (const candidate of candidates) candidate.start();
  };
}

/**
 * What a running member reads back is wrong for a while, which harms nothing durable: snapshots are all that it reads.
 * `met` is called when it first was.
 */
export function spoilReads(fault: Fault, targets: Targets, overlaps: Overlaps, met: () => void): Strike {
  if (fault.kind !== 'rotten-read') return undefined;
  let unmet = true;
  const onRead = (): void => {
    if (unmet) met();
    unmet = false;
  };
  return overlaps.override(memberFor(fault, targets).disk.faults, {
    rottenReads: { path: '/snapshots/', onRead },
  });
}

/**
 * What loses data that was durable: it is met when the member reads its disk, so it is stopped, harmed while it is
 * down, where that leaves a good copy of everything, and started again. `harmed` is called when it was.
 */
export function strikeData(fault: Fault, targets: Targets, harmed: () => void): Strike {
  const harm = harmOf(fault);
  if (harm === undefined) return undefined;
  const member = memberFor(fault, targets);
  member.kill();
  member.holdDown();
  return () => {
    if (!member.process?.alive) targets.harm(member, () => harm(member, harmed));
    member.release();
  };
}

/** `harmed`: called when it is. */
function harmOf(fault: Fault): ((member: StrikableMember, harmed: () => void) => void) | undefined {
  switch (fault.kind) {
    case 'lose-disk':
      return (member, harmed) => {
        member.wipe();
        harmed();
      };
    case 'bit-rot':
      return (member, harmed) => {
        member.disk.rot({ sector: fault.how % 3 === 0 });
        harmed();
      };
    case 'misdirected-read':
      // The last batches of the log are what recovery reads with the most trust. It may never be read.
      return (member, harmed) =>
        member.disk.faults.misdirectNextRead(
          fault.how % 4 === 0 ? '/snapshots/' : '/log/',
          fault.how % 3,
          harmed,
        );
    default:
      return undefined;
  }
}
