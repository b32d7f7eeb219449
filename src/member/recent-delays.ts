/** Delays as they come, and the high end of the recent ones. Recording costs one assignment. */
export class RecentDelays {
  private readonly samplesMs = new Float64Array(512);
  private count = 0;

  record(delayMs: number): void {
    this.samplesMs[this.count++ % this.samplesMs.length] = Math.max(0, delayMs);
  }

  /** Of the last 512; 0 before the first. */
  p99Ms(): number {
    const sorted = this.samplesMs.slice(0, Math.min(this.count, this.samplesMs.length)).sort();
    return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  }
}
