import type { AutoCompaction, QueueBounds } from '../../member/index.ts';
import type { FaultOptions } from '../faults/options.ts';
import type { Draw } from '../world/random.ts';
import type { LifeOptions } from './types.ts';

/** How the cluster of one life is configured. */
export interface ClusterSettings {
  readonly members: number;
  /** Hosts for members that are added. Default 0: the members stay who they are. */
  readonly spareHosts?: number;
  /** Few, so that snapshots are made in the middle of everything. */
  readonly snapshotCount: number;
  /** Few, so that followers that were away are sent a snapshot. */
  readonly snapshotCatchUpEntries: number;
  /** Small, so that the log goes from segment to segment and old ones are removed. */
  readonly logSegmentBytes: number;
  readonly heartbeatIntervalMs: number;
  /** undefined: adaptive. */
  readonly electionTimeoutMs: number | undefined;
  readonly leaseReads: boolean;
  /** Now and then so small that leaders are at their bounds; undefined: the usual, which no life comes near. */
  readonly queueBounds: QueueBounds | undefined;
  /** 0: members are not compared with each other. */
  readonly compareEveryMs: number;
  /** undefined: clients compact, and nobody else. */
  readonly autoCompaction: AutoCompaction | undefined;
  /** Members ask who calls. */
  readonly users: boolean;
}

/** About one entry of the workload in an append, two on the way, a dozen waiting. */
const narrow: QueueBounds = { maxAppendBytes: 200, maxInflightBytes: 400, maxUncommittedBytes: 2000 };

/** Of lives, those in which members ask who calls. */
const usersShare = 0.1;

export function drawCluster(
  random: Draw,
  members: number,
  {
    compareEveryMs = 0,
    compaction,
    users,
  }: Pick<LifeOptions, 'compareEveryMs' | 'compaction' | 'users'> = {},
): ClusterSettings {
  const fixed = random.chance(0.25);
  const heartbeatIntervalMs = fixed ? random.pick([20, 50, 100]) : random.chance(0.2) ? 50 : 100;
  return {
    members,
    snapshotCount: random.pick([20, 60, 200, 1000, 100_000]),
    snapshotCatchUpEntries: random.pick([0, 10, 100, 5000]),
    logSegmentBytes: random.pick([8, 32, 256, 65_536]) * 1024,
    heartbeatIntervalMs,
    electionTimeoutMs: fixed ? heartbeatIntervalMs * random.between(4, 10) : undefined,
    leaseReads: random.chance(0.15),
    queueBounds: random.chance(0.2) ? narrow : undefined,
    compareEveryMs,
    autoCompaction: drawCompaction(random, compaction),
    users: users ?? random.chance(usersShare),
  };
}

/** In two thirds of the lives clients do it. */
function drawCompaction(random: Draw, asked: LifeOptions['compaction']): AutoCompaction | undefined {
  const drawn = random.pick([
    'by-clients',
    'by-clients',
    'by-clients',
    'by-clients',
    'by-time',
    'by-revisions',
  ]);
  const everyMs = random.between(300, 3000);
  const retentionMs = random.between(1000, 8000);
  const retention = random.pick([1, 5, 30, 100]);
  const how = asked ?? drawn;
  if (how === 'by-clients') return undefined;
  return how === 'by-time' ? { mode: 'periodic', retentionMs } : { mode: 'revision', retention, everyMs };
}

/**
 * Members that are to find whoever differs. All of the log is kept, by those that start again too, so that nobody is ever
 * sent a snapshot: one of a member that differs would make its receiver differ, too, which no comparison can tell from the
 * others being wrong.
 */
export function comparing(
  { compareEveryMs }: Pick<ClusterSettings, 'compareEveryMs'>,
  random: Draw,
): Partial<ClusterSettings> {
  const drawnMs = random.pick([300, 1000, 2500]);
  return {
    compareEveryMs: compareEveryMs > 0 ? compareEveryMs : drawnMs,
    snapshotCount: 100_000,
    snapshotCatchUpEntries: 100_000,
  };
}

function describeCompaction(setting: AutoCompaction): string {
  return setting.mode === 'periodic'
    ? `compacted to ${setting.retentionMs} ms ago`
    : `compacted to ${setting.retention} revisions`;
}

export function describeSettings(cluster: ClusterSettings, faults: FaultOptions, burst: number): string {
  const { members, snapshotCount, heartbeatIntervalMs, electionTimeoutMs, leaseReads, queueBounds } = cluster;
  const { compareEveryMs, autoCompaction, users } = cluster;
  const percent = (rate: number): string => `${Math.round(rate * 100)}%`;
  const timeout = electionTimeoutMs === undefined ? 'adaptive timeout' : `timeout ${electionTimeoutMs} ms`;
  return [
    `${members} members, heartbeat ${heartbeatIntervalMs} ms, ${timeout}, a snapshot each ${snapshotCount} commands`,
    ...((cluster.spareHosts ?? 0) > 0 ? ['members join and leave'] : []),
    ...(leaseReads ? ['lease reads'] : []),
    ...(queueBounds ? ['narrow queues'] : []),
    ...(users ? ['users with roles'] : []),
    ...(burst > 1 ? [`clients send ${burst} at once`] : []),
    ...(compareEveryMs > 0 ? [`compared each ${compareEveryMs} ms`] : []),
    ...(autoCompaction ? [describeCompaction(autoCompaction)] : []),
    `links ${faults.latencyUs} + ${faults.jitterUs} us, ${percent(faults.lossRate)} lost, ` +
      `${percent(faults.repeatRate)} repeated, ${percent(faults.reorderRate)} overtaken`,
    `clocks within ${percent(faults.clockDriftRate)}`,
  ].join('; ');
}
