import { ConclaveError } from '../../errors/index.ts';
import type { Entry, GroupId, HardState, SnapshotMeta } from '../../raft/types.ts';
import type { Disk, Random } from '../../runtime/index.ts';
import { MalformedBytes } from './bytes.ts';
import { segmentHeaderBytes } from './format.ts';
import { Replay } from './replay.ts';
import { type SegmentScan, scanSegment } from './scan.ts';
import {
  createSegment,
  damaged,
  listSegments,
  type ReadSegment,
  readSegment,
  reopenSegment,
  segmentName,
} from './segment.ts';
import { SharedLog } from './shared-log.ts';

export interface LogOptions {
  readonly disk: Disk;
  /** Made if absent; nothing else may be in it. */
  readonly folder: string;
  readonly clusterId: number;
  readonly memberId: number;
  /** A new segment is begun when this is reached. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Refuse a folder without any segment: the member has run before, so its log was lost. Default false. */
  readonly expectExisting?: boolean;
  /** Draws what tells a segment's checksums from another's. Default: the real one. */
  readonly random: Random;
}

export interface StoredGroup {
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta | undefined;
  /** Without a gap, from right after the snapshot. */
  readonly entries: readonly Entry[];
}

export interface OpenedLog {
  readonly log: SharedLog;
  readonly groups: Map<GroupId, StoredGroup>;
  /** A write that a crash interrupted, and that nobody was told of as durable, was cut off. */
  readonly repaired?: { readonly segment: string; readonly offset: number; readonly lostBytes: number };
}

const defaultSegmentBytes = 64 * 1024 * 1024;

/**
 * Reads the log back, one segment at a time, and makes it ready to be written. When this resolves, all it returns is
 * durable.
 *
 * @throws ConclaveError 'data-damaged' (segment and offset in message and details), 'data-incompatible',
 * 'disk-failed', 'disk-full'.
 */
export async function openLog(options: LogOptions): Promise<OpenedLog> {
  const { disk, folder, clusterId, memberId } = options;
  const segmentBytes = options.segmentBytes ?? defaultSegmentBytes;
  await disk.makeFolder(folder, { ownerOnly: true });
  const sequences = await listSegments(disk, folder);
  // Names too may be in the system's memory only, if a process died and the host did not.
  await disk.syncFolder(folder);
  checkSequences(folder, sequences, options.expectExisting ?? false);

  const replay = new Replay(folder);
  const sealed: { sequence: number; bytes: number }[] = [];
  let active: ReadSegment | undefined;
  let lastSealed: ReadSegment | undefined;
  for (const [position, sequence] of sequences.entries()) {
    const read = await readAndReplay(options, sequence, replay);
    // Older segments are removed only after the head of this one is durable.
    if (position === 0 && sequence > 1 && read.scan.end === segmentHeaderBytes) {
      throw damaged(folder, sequence - 1, 0, 'it is missing');
    }
    if (active !== undefined) {
      // The last segment was made ahead of its use, and the one before it is still in use. Made anew when needed.
      if (position < sequences.length - 1 || holdsAnything(read.scan)) {
        throw damaged(
          folder,
          active.header.sequence,
          active.scan.end,
          'its end is missing, but there is a later one',
        );
      }
      await disk.remove(`${folder}/${segmentName(sequence)}`);
      await disk.syncFolder(folder);
    } else if (read.scan.sealed) {
      sealed.push({ sequence, bytes: read.scan.end });
      lastSealed = read;
    } else active = read;
  }
  const stored = replay.finish(sequences[0] ?? 1);
  const draw = options.random;
  const salt = (): number => new DataView(draw.bytes(4).slice().buffer).getUint32(0);
  const create = (sequence: number) =>
    createSegment(disk, folder, { sequence, clusterId, memberId, salt: salt() }, segmentBytes);
  const reopen = (read: ReadSegment) => reopenSegment(disk, folder, segmentBytes, read);
  // A later segment with batches proves that the seal of the one before was synced.
  const sealProven = active !== undefined && active.scan.end > segmentHeaderBytes;
  if (lastSealed !== undefined && !sealProven) await (await reopen(lastSealed)).close();
  const segment = active ? await reopen(active) : await create((sequences.at(-1) ?? 0) + 1);
  const log = new SharedLog({ disk, folder, segmentBytes, segment, sealed, groups: replay.groups(), create });
  if (active === undefined || active.scan.tailBytes === 0) return { log, groups: stored };
  const { end: offset, tailBytes: lostBytes } = active.scan;
  return {
    log,
    groups: stored,
    repaired: { segment: segmentName(active.header.sequence), offset, lostBytes },
  };
}

function checkSequences(folder: string, sequences: readonly number[], expectExisting: boolean): void {
  if (sequences.length === 0 && expectExisting) {
    throw damaged(folder, 1, 0, 'there is no segment at all, although this member has run before');
  }
  for (const [at, sequence] of sequences.entries()) {
    const next = sequences[at + 1];
    if (next !== undefined && next !== sequence + 1) throw damaged(folder, sequence + 1, 0, 'it is missing');
  }
}

async function readAndReplay(options: LogOptions, sequence: number, replay: Replay): Promise<ReadSegment> {
  const { disk, folder, clusterId, memberId } = options;
  const { bytes, header } = await readSegment(disk, folder, sequence);
  if (header.clusterId !== clusterId || header.memberId !== memberId) {
    throw new ConclaveError(
      'data-incompatible',
      `The log in '${folder}' belongs to member ${header.memberId.toString(16)} of cluster ${header.clusterId.toString(16)}, but this is member ` +
        `${memberId.toString(16)} of cluster ${clusterId.toString(16)}: use this member's own folder, or an empty one.`,
    );
  }
  let at = 0;
  try {
    const scan = scanSegment(bytes, header, (record, offset) => {
      at = offset;
      replay.apply(record, sequence, offset);
    });
    if (scan.damagedAt !== undefined) {
      throw damaged(folder, sequence, scan.damagedAt, 'what stands there is not what was written and synced');
    }
    return { bytes, header, scan };
  } catch (error) {
    if (error instanceof MalformedBytes) throw damaged(folder, sequence, at, error.message);
    throw error;
  }
}

function holdsAnything(scan: SegmentScan): boolean {
  return scan.end > segmentHeaderBytes || scan.tailBytes > 0;
}
