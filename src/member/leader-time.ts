import { batchTimeMs, type KeyspaceMachine } from '../keyspace/index.ts';
import type { RaftCore } from '../raft/index.ts';
import { ClusterTime } from './cluster-time.ts';

/** While leases exist, the leader logs its time at least so often (design: a lease is late by at most that). */
const stampEveryMs = 1000;
/** And so often while tokens may be about: a change of leader lengthens the life of one by at most that. */
const stampForTokensEveryMs = 10_000;

/** When a leader must let time pass through the log, and what time it is there. */
export class LeaderTime {
  private readonly keyspace: KeyspaceMachine;
  private readonly raft: RaftCore;
  private readonly clusterTime: ClusterTime;
  private readonly heartbeatIntervalMs: number;
  private lastStampMs = 0;
  private known = false;

  constructor(keyspace: KeyspaceMachine, raft: RaftCore, heartbeatIntervalMs: number) {
    this.keyspace = keyspace;
    this.raft = raft;
    this.heartbeatIntervalMs = heartbeatIntervalMs;
    this.clusterTime = new ClusterTime(heartbeatIntervalMs);
  }

  /** This member was elected. */
  start(nowMs: number): void {
    this.known = false;
    this.read(nowMs);
  }

  /**
   * Cluster time now, in whole ms; undefined while the snapshot that the log builds on is still being loaded. Until
   * then nothing may be stamped: the stamp could be below one in the snapshot, and no member could apply it.
   */
  read(nowMs: number): number | undefined {
    if (this.known) return this.clusterTime.read(nowMs);
    const lastStampMs = this.lastStampInLog();
    if (lastStampMs === undefined) return undefined;
    this.known = true;
    this.lastStampMs = lastStampMs;
    this.clusterTime.start(lastStampMs, nowMs);
    return this.clusterTime.read(nowMs);
  }

  /**
   * When to look again, on the monotonic clock; Infinity while nothing depends on it. A leader without followers has no
   * heartbeats to turn for, and time between two readings counts only up to two intervals.
   */
  dueMs(nowMs: number): number {
    const timeMs = this.read(nowMs);
    if (timeMs === undefined) return Number.POSITIVE_INFINITY;
    const stampDueMs = this.stampDueMs(timeMs);
    if (stampDueMs === Number.POSITIVE_INFINITY) return stampDueMs;
    return nowMs + Math.min(this.heartbeatIntervalMs, stampDueMs - timeMs);
  }

  /** A batch with this stamp is on its way into the log. */
  stamped(timeMs: number): void {
    this.lastStampMs = timeMs;
  }

  /**
   * When the next stamp is due, in cluster time; Infinity while there are neither leases nor tokens. What lies after `timeMs` may be
   * told too early, and is then asked for again.
   */
  stampDueMs(timeMs: number): number {
    if (this.keyspace.leaseCount === 0) {
      return this.keyspace.auth.enabled ? this.lastStampMs + stampForTokensEveryMs : Number.POSITIVE_INFINITY;
    }
    const regularly = this.lastStampMs + stampEveryMs;
    const deadlineMs = this.keyspace.nextDeadlineMs(timeMs);
    // Expiry is strict, and a stamp already on its way past the deadline needs no second one.
    return deadlineMs < this.lastStampMs ? regularly : Math.min(regularly, Math.floor(deadlineMs) + 1);
  }

  /** The stamp of the last batch in our own log, committed or not; in the applied state where the log has none. */
  private lastStampInLog(): number | undefined {
    const { firstIndex, lastIndex } = this.raft.status();
    for (let index = lastIndex; index >= firstIndex; index--) {
      const entry = this.raft.entryAt(index);
      if (entry?.kind === 'command') return batchTimeMs(entry.data);
    }
    return this.keyspace.appliedIndex >= firstIndex - 1 ? this.keyspace.timeMs : undefined;
  }
}
