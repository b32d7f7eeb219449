/**
 * Processes that share something beyond one leadership, and the checkers of what they are promised: members of
 * partitions, callers of `once`, users of a semaphore and a read-write lock, writers of a fenced log who also go
 * through a token gate, and writers behind the guards of foreign servers (`guards/`). A third of all lives has one of these.
 *
 * Guarantees: the programs are the library's own, on the shared file system and the cluster of the life; what they are
 * told is reported with true times; a report never disturbs who makes it.
 *
 * Must not: decide when a fault happens; ask the code under test whether it was right.
 */
import type { OneHolderOptions } from '../elections/index.ts';
import type { CheckerFactory } from '../observation.ts';
import { fenceKeptChecker } from './fence-kept.ts';
import { gateShutChecker } from './gate-shut.ts';
import { logKeptChecker } from './log-kept.ts';
import { oneJobForAPartitionChecker } from './one-job-for-a-partition.ts';
import { oneOutcomeChecker } from './one-outcome.ts';
import { partitionsBalancedChecker } from './partitions-balanced.ts';
import { permitsKeptChecker } from './permits-kept.ts';
import type { SharingReports } from './reports.ts';
import type { SharingKind } from './settings.ts';
import { sharingCompletesChecker } from './sharing-completes.ts';
import type { SharingWorkload } from './workload.ts';

export { type SharingCounts, SharingReports } from './reports.ts';
export {
  describeSharing,
  drawSharing,
  guardKinds,
  type SharingKind,
  type SharingSettings,
  sharingKinds,
} from './settings.ts';
export { SharingWorkload, type SharingWorkloadOptions } from './workload.ts';

/** Those that have something to look at in a life of this kind. */
export function sharingCheckers(
  kind: SharingKind | undefined,
  workload: SharingWorkload,
  reports: SharingReports,
  options: OneHolderOptions = {},
): readonly CheckerFactory[] {
  const { balanced } = workload;
  const completes = sharingCompletesChecker(reports, workload);
  switch (kind) {
    case undefined:
      return [];
    case 'partitions':
      return [
        oneJobForAPartitionChecker(reports, options),
        ...(balanced === undefined ? [] : [partitionsBalancedChecker(balanced)]),
        completes,
      ];
    case 'operations':
      return [oneOutcomeChecker(reports, options), completes];
    case 'permits':
      return [permitsKeptChecker(reports, options), completes];
    case 'log':
      return [logKeptChecker(reports), gateShutChecker(reports), completes];
    default:
      return [fenceKeptChecker(reports), completes];
  }
}
