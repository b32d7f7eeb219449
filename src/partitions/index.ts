/**
 * A leader for each of many partitions, spread over the live processes: `Partitions` for those that do the work,
 * `partitionRouter` for those that must find who does.
 *
 * Guarantees: at most one process leads a partition, by an election of its own with tokens that rise; every process
 * computes the same assignment from the same state of the roster; none has more than its share, rounded up; a join moves
 * the joiner's share and a leave the leaver's, and nothing else; a job is told to stop, settles, and only then the next
 * process leads, unless its session was lost.
 *
 * Must not: decide by the assignment who leads (that is each election's), know any store, or hold a lease for each
 * partition.
 */
export { assign, assignmentVersion, boundOf, type WeightedMember } from './assignment.ts';
export {
  type PartitionsEvent,
  type PartitionsEventListener,
  partitionsChannels,
  type RevocationReason,
} from './events.ts';
export type { Layout } from './layout.ts';
export type { PartitionsOptions } from './options.ts';
export { Partitions } from './partitions.ts';
export {
  type PartitionRouter,
  type PartitionRouterOptions,
  partitionRouter,
  type Route,
  type RouteOptions,
  type WaitOptions,
} from './router.ts';
export type { MemberStatus, PartitionStatus, PartitionsStatus } from './status.ts';
