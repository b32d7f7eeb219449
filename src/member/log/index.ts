/**
 * The shared log: hard states, entries and snapshot marks of all Raft groups of a member, in one sequence of
 * segment files.
 *
 * Guarantees: what `append` with sync has resolved for is there after any crash; a batch is there whole or not at
 * all. A write that a crash interrupted is cut off; damage to anything older is never passed over, but refused with
 * 'data-damaged'. After the first error of the disk nothing more is written.
 *
 * Must not: know what entries mean, decide when to compact, or retry a sync.
 */

export { type LogOptions, type OpenedLog, openLog, type StoredGroup } from './open.ts';
export { SharedLog } from './shared-log.ts';
export type { LogWrite } from './writer.ts';
