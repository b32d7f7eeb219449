/**
 * One server of a cluster: drives the two pure cores (raft, keyspace) on real disk, network and time.
 *
 * Guarantees: what `propose` resolved with is durable on a quorum and applied once; after `readBarrier`, reads see
 * everything that was committed before the call; a disk that refuses stops the member rather than its promises.
 *
 * Must not: know any API or transport to clients, or touch clock, disk and network other than through `runtime`.
 */
export type { AutoCompaction } from './auto-compaction.ts';
export * from './backup/index.ts';
export type { Logger } from './logger.ts';
export { silentLogger } from './logger.ts';
export { Member } from './member.ts';
export type { MemberObserver } from './observer.ts';
export { hexId, type InitialMember, type MemberOptions, parseUrl, type QueueBounds } from './options.ts';
export type * from './types.ts';
export { version } from './version.ts';
