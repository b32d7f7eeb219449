/**
 * The leader's cluster time (design.md section 4): the stamp of the last entry of its own log when it was elected,
 * plus what its monotonic clock has measured since. It never falls along a log, and a stall of the leader's own
 * loop counts for at most one heartbeat interval: a leader that was paused expires nothing by having been paused.
 */
export class ClusterTime {
  private readonly heartbeatIntervalMs: number;
  private baseMs = 0;
  private elapsedMs = 0;
  private lastReadMs = 0;

  constructor(heartbeatIntervalMs: number) {
    this.heartbeatIntervalMs = heartbeatIntervalMs;
  }

  /** Called when this member is elected. */
  start(lastStampMs: number, nowMs: number): void {
    this.baseMs = lastStampMs;
    this.elapsedMs = 0;
    this.lastReadMs = nowMs;
  }

  /**
   * Whole milliseconds, rounded down. A leader turns at least once each heartbeat interval, so a gap of more than
   * two is a stall: one interval of waiting, plus at most one of the stall, count.
   */
  read(nowMs: number): number {
    const gapMs = nowMs - this.lastReadMs;
    this.elapsedMs += Math.min(gapMs, 2 * this.heartbeatIntervalMs);
    this.lastReadMs = nowMs;
    return Math.floor(this.baseMs + this.elapsedMs);
  }
}
