import { batchTimeMs, type KeyspaceMachine } from '../keyspace/index.ts';
import type { RaftCore } from '../raft/index.ts';
import { ClusterTime } from './cluster-time.ts';

/** While leases exist, the leader logs its time at least so often (design: a lease is late by at most that). */
const stampEveryMs = 1000;

/** When a leader must let time pass through the log, and what time it is there. */
export class LeaderTime {
  private readonly keyspace: KeyspaceMachine;
  private readonly raft: RaftCore;
  private readonly clusterTime: ClusterTime;
  private lastStampMs = 0;

  constructor(keyspace: KeyspaceMachine, raft: RaftCore, heartbeatIntervalMs: number) {
    this.keyspace = keyspace;
    this.raft = raft;
    this.clusterTime = new ClusterTime(heartbeatIntervalMs);
  }

  /** This member was elected. */
  start(nowMs: number): void {
    this.lastStampMs = this.lastStampInLog();
    this.clusterTime.start(this.lastStampMs, nowMs);
  }

  /** Cluster time now, in whole ms. */
  read(nowMs: number): number {
    return this.clusterTime.read(nowMs);
  }

  /** A batch with this stamp is on its way into the log. */
  stamped(timeMs: number): void {
    this.lastStampMs = timeMs;
  }

  /**
   * When the next stamp is due, in cluster time; Infinity while there are no leases. What lies after `timeMs` may be
   * told too early, and is then asked for again.
   */
  stampDueMs(timeMs: number): number {
    if (this.keyspace.leaseCount === 0) return Number.POSITIVE_INFINITY;
    const regularly = this.lastStampMs + stampEveryMs;
    const deadlineMs = this.keyspace.nextDeadlineMs(timeMs);
    // Expiry is strict, and a stamp already on its way past the deadline needs no second one.
    return deadlineMs < this.lastStampMs ? regularly : Math.min(regularly, Math.floor(deadlineMs) + 1);
  }

  /** The stamp of the last batch in our own log, committed or not; in the applied state where the log has none. */
  private lastStampInLog(): number {
    for (let index = this.raft.status().lastIndex; index > 0; index--) {
      const entry = this.raft.entryAt(index);
      if (!entry) break;
      if (entry.kind === 'command') return batchTimeMs(entry.data);
    }
    return this.keyspace.timeMs;
  }
}
