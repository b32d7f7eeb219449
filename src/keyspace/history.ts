/**
 * The records from the compact revision on, in the order in which they were written: a queue of record rows, with
 * positions that only rise. Watches read it, compaction takes from its front.
 */
const segmentBits = 12;
const segmentSize = 1 << segmentBits;

export class History {
  private readonly segments: Int32Array[] = [];
  /** Segments that were dropped from the front. */
  private dropped = 0;
  /** Position of the oldest record, and the position that the next one gets. */
  head = 0;
  tail = 0;

  push(row: number): void {
    const segment = Math.floor(this.tail / segmentSize) - this.dropped;
    if (segment === this.segments.length) this.segments.push(new Int32Array(segmentSize));
    (this.segments[segment] as Int32Array)[this.tail % segmentSize] = row;
    this.tail++;
  }

  at(position: number): number {
    const segment = this.segments[Math.floor(position / segmentSize) - this.dropped] as Int32Array;
    return segment[position % segmentSize] as number;
  }

  dropFirst(): void {
    this.head++;
    if (this.head % segmentSize === 0) {
      this.segments.shift();
      this.dropped++;
    }
  }

  dropLast(): void {
    this.tail--;
  }
}
