/** Upper ends of the buckets, in seconds: from a tenth of a millisecond, doubling, as etcd's of its log are. */
const boundsSeconds = Array.from({ length: 16 }, (_, at) => 0.0001 * 2 ** at);

/** How often something took how long, since the start. */
export interface DelayDistribution {
  readonly boundsSeconds: readonly number[];
  /** As many as there are bounds, and those above all of them. */
  readonly counts: number[];
  sumSeconds: number;
}

/** Delays as they come: the high end of the recent ones, and how all are distributed. */
export class RecentDelays {
  /** Since the start; the same object for ever. */
  readonly distribution: DelayDistribution = {
    boundsSeconds,
    counts: new Array<number>(boundsSeconds.length + 1).fill(0),
    sumSeconds: 0,
  };
  private readonly samplesMs = new Float64Array(512);
  private count = 0;

  record(delayMs: number): void {
    const ms = Math.max(0, delayMs);
    this.samplesMs[this.count++ % this.samplesMs.length] = ms;
    const { counts } = this.distribution;
    this.distribution.sumSeconds += ms / 1000;
    let bucket = 0;
    while (bucket < boundsSeconds.length && ms > (boundsSeconds[bucket] as number) * 1000) bucket += 1;
    counts[bucket] = (counts[bucket] as number) + 1;
  }

  /** Of the last 512; 0 before the first. */
  p99Ms(): number {
    const size = Math.min(this.count, this.samplesMs.length);
    // It is among the six longest: to keep those is many times cheaper than to sort all.
    const longest: number[] = [];
    const wanted = size - Math.floor(size * 0.99);
    for (let sample = 0; sample < size; sample++) {
      const ms = this.samplesMs[sample] as number;
      let at = longest.length;
      if (at === wanted && ms <= (longest[at - 1] as number)) continue;
      while (at > 0 && (longest[at - 1] as number) < ms) at -= 1;
      longest.splice(at, 0, ms);
      if (longest.length > wanted) longest.pop();
    }
    return longest[wanted - 1] ?? 0;
  }
}
