/**
 * Snapshot files: of each Raft group the newest one, made here or received from a leader.
 *
 * Guarantees: a snapshot is seen only when it is whole and durable; until then the one before stays, whatever fails.
 * Each chunk is checked when it is read; damage is 'data-damaged', never silently other data.
 *
 * Must not: know what is in a snapshot, or decide when one is made.
 */

export type { SnapshotSink } from './sink.ts';
export { SnapshotStore, type StoredSnapshot } from './store.ts';
