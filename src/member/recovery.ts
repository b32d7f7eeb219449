import { ConclaveError } from '../errors/index.ts';
import type { RaftStored } from '../raft/index.ts';
import type { StoredGroup } from './log/index.ts';
import type { SnapshotStore } from './snapshots/index.ts';

/**
 * What the core starts from: log and snapshot files brought together. A snapshot file may be newer than the log
 * says, when a crash came between the two; it may never be older.
 *
 * @throws ConclaveError 'data-damaged' when the snapshot that the log builds on is gone.
 */
export async function recoverGroup(
  stored: StoredGroup | undefined,
  group: number,
  snapshots: SnapshotStore,
): Promise<RaftStored> {
  const latest = await snapshots.latest(group);
  const log = stored ?? {
    hardState: { term: 0, votedFor: 0, commitIndex: 0 },
    snapshot: undefined,
    entries: [],
  };
  const marked = log.snapshot?.index ?? 0;
  if (marked > (latest?.meta.index ?? 0)) {
    throw new ConclaveError(
      'data-damaged',
      `The log of group ${group} builds on a snapshot at index ${marked}, but the newest one on disk is at ${latest?.meta.index ?? 0}. Move the data folder away, and have a new member in its place: conclave member replace.`,
    );
  }
  if (!latest || latest.meta.index === marked) return { ...log, snapshot: latest?.meta ?? log.snapshot };
  const { index, term } = latest.meta;
  const matches = log.entries.some((entry) => entry.index === index && entry.term === term);
  // A snapshot holds only what was committed: a log that disagrees with it, or ends before it, is void.
  const entries = matches ? log.entries.filter((entry) => entry.index > index) : [];
  const hardState = log.hardState.term >= term ? log.hardState : { ...log.hardState, term, votedFor: 0 };
  return {
    hardState: { ...hardState, commitIndex: Math.max(hardState.commitIndex, index) },
    snapshot: latest.meta,
    entries,
  };
}
