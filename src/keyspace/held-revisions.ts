/** Revisions that somebody still reads: what is visible at one of them must not be dropped. */
export class HeldRevisions {
  private readonly counts = new Map<number, number>();
  /** Infinity: none is held. */
  lowest = Number.POSITIVE_INFINITY;

  hold(revision: number): void {
    this.counts.set(revision, (this.counts.get(revision) ?? 0) + 1);
    this.lowest = Math.min(this.lowest, revision);
  }

  /** Once for each time that it was held. */
  release(revision: number): void {
    const count = this.counts.get(revision) ?? 0;
    if (count > 1) {
      this.counts.set(revision, count - 1);
      return;
    }
    this.counts.delete(revision);
    if (revision > this.lowest) return;
    this.lowest = Number.POSITIVE_INFINITY;
    for (const held of this.counts.keys()) this.lowest = Math.min(this.lowest, held);
  }
}
