import type { Store } from './store.ts';
import type { KeyValue } from './types.ts';

/** How much of a range is copied at once. At least one key-value is. */
export interface PartBounds {
  readonly keyValues: number;
  /** Of keys and values. */
  readonly bytes: number;
}

/**
 * What is left of a range that was read in parts: versions of values never change, so later parts are of the same revision.
 * Until it is closed, what is visible at that revision is not dropped, however far a compaction goes.
 */
export class RangeRest {
  private readonly store: Store;
  private readonly revision: number;
  private readonly records: readonly number[];
  private readonly withValues: boolean;
  private readonly bounds: PartBounds;
  private position = 0;
  private closed = false;

  constructor(
    store: Store,
    revision: number,
    records: readonly number[],
    withValues: boolean,
    bounds: PartBounds,
  ) {
    this.store = store;
    this.revision = revision;
    this.records = records;
    this.withValues = withValues;
    this.bounds = bounds;
    store.held.hold(revision);
  }

  /** The next part, in order; empty at the end. */
  next(): KeyValue[] {
    const kvs: KeyValue[] = [];
    let bytes = 0;
    while (
      this.position < this.records.length &&
      kvs.length < this.bounds.keyValues &&
      bytes < this.bounds.bytes
    ) {
      const kv = this.store.keyValue(this.records[this.position++] as number, this.withValues);
      bytes += kv.key.length + kv.value.length;
      kvs.push(kv);
    }
    return kvs;
  }

  /** Key-values of the whole range. */
  get size(): number {
    return this.records.length;
  }

  get atEnd(): boolean {
    return this.position === this.records.length;
  }

  /** Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.store.held.release(this.revision);
  }
}
