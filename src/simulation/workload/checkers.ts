import type { AutoCompaction } from '../../member/index.ts';
import type { Checker, LifeSight } from '../observation.ts';
import { LinearizableReads } from './15-linearizable-reads.ts';
import { LeaseReads } from './16-lease-reads.ts';
import { RetriedOnce } from './17-retried-once.ts';
import { WatchesAreWhole } from './19-watches.ts';
import { Compactions } from './compactions.ts';
import { FinalState } from './final-state.ts';
import type { History } from './history.ts';
import { LeaseLookups } from './lease-lookups.ts';
import { LinearizableHistory } from './linearizable-history.ts';
import { LogWitness } from './log-witness.ts';
import { Replay } from './replay.ts';
import type { CheckerParts } from './workload-checker.ts';

export interface WorkloadCheckerOptions {
  /** The members answer reads by the leader's lease. Default false. */
  readonly leaseReads?: boolean;
  /** The leader compacts by itself. Default: clients do. */
  readonly autoCompaction?: AutoCompaction | undefined;
  /** Nothing goes wrong in this life. Default false. */
  readonly calm?: boolean;
  /** More of them, which share the replay. */
  readonly besides?: (parts: CheckerParts) => readonly Checker[];
}

/** The checkers of one life's history: they share one replay of its log. Make them before its first operation. */
export function workloadCheckers(
  life: LifeSight,
  history: History,
  options: WorkloadCheckerOptions = {},
): readonly Checker[] {
  const parts = { life, history, replay: new Replay(life) };
  return [
    new LogWitness(parts),
    new LinearizableReads(parts),
    ...(options.leaseReads === true ? [new LeaseReads(parts)] : []),
    new LeaseLookups(parts),
    new RetriedOnce(parts),
    new WatchesAreWhole(parts, options.calm),
    new Compactions(parts, options.autoCompaction),
    new FinalState(parts),
    new LinearizableHistory(parts),
    ...(options.besides?.(parts) ?? []),
  ];
}
