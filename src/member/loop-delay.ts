/** How late the member's own timers fire: the delay that everything on this loop suffers. */
export class LoopDelay {
  private readonly samplesMs = new Float64Array(512);
  private count = 0;

  record(lateMs: number): void {
    this.samplesMs[this.count++ % this.samplesMs.length] = Math.max(0, lateMs);
  }

  /** Over the last 512 timers; 0 before the first. */
  p99Ms(): number {
    const sorted = this.samplesMs.slice(0, Math.min(this.count, this.samplesMs.length)).sort();
    return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  }
}
