import type { LogRecord } from '../../member/log/format.ts';
import type { MemoryFileData } from '../../runtime/virtual/index.ts';

/** One whole batch of a segment, as its bytes say. */
export interface BatchRead {
  readonly start: number;
  readonly end: number;
  readonly salt: number;
  readonly seals: boolean;
  readonly records: readonly LogRecord[];
}

/**
 * What was read of the segments on a platter, while their bytes are the same: when a segment goes, all others are read
 * once more from their beginnings, and nothing in them has changed. Tell it of each change of the platter.
 */
export class BatchesRead {
  #of = new WeakMap<MemoryFileData, BatchRead[]>();

  /** The batch that begins there. */
  find(file: MemoryFileData, start: number, salt: number): BatchRead | undefined {
    const batches = this.#of.get(file);
    if (batches === undefined) return undefined;
    // They lie one after the other.
    let low = 0;
    let high = batches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((batches[middle] as BatchRead).start < start) low = middle + 1;
      else high = middle;
    }
    const found = batches[low];
    return found?.start === start && found.salt === salt ? found : undefined;
  }

  add(file: MemoryFileData, batch: BatchRead): void {
    const batches = this.#of.get(file);
    if (batches === undefined) this.#of.set(file, [batch]);
    else if ((batches.at(-1)?.end ?? 0) <= batch.start) batches.push(batch);
  }

  /** Bytes from here on are others now. */
  changed(file: MemoryFileData, start: number): void {
    const batches = this.#of.get(file);
    while (batches !== undefined && (batches.at(-1)?.end ?? 0) > start) batches.pop();
  }

  /** Anything may have changed. */
  forget(): void {
    this.#of = new WeakMap();
  }
}
