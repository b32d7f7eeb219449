/**
 * Compares what lies in memory with the hashes that were taken of it when it was written, a few records at a time:
 * a bit that flipped since, or a program that wrote where it must not, is seen before it is handed out for long.
 */
import { recordHash } from './record-hash.ts';
import { Store } from './store.ts';
import { none, rowInPage } from './tables.ts';
import type { Verification } from './types.ts';

export class StoreVerification implements Verification {
  private readonly store: Store;
  /** By row, not in order: a damaged key would lead a search astray. */
  private row = 0;

  constructor(store: Store) {
    this.store = store;
  }

  step(budgetBytes: number): 'more' | 'done' | 'damaged' {
    const { keys } = this.store;
    for (let left = budgetBytes; this.row < keys.rowsUsed; this.row++) {
      if (left <= 0) return 'more';
      left -= 1;
      if (keys.newest(this.row) === none) continue;
      const checked = this.check(this.row);
      if (checked < 0) return 'damaged';
      left -= checked;
    }
    return 'done';
  }

  /** How many bytes a key and its versions took to look at; below 0: they are not what was written. */
  private check(key: number): number {
    const { keys, records } = this.store;
    const hash = Store.keyHash(keys.view(key));
    if (hash !== keys.hash(key)) return -1;
    let bytes = keys.length(key);
    for (let record = keys.newest(key); record !== none; record = records.previous(record)) {
      const fields = this.store.fields(record);
      if (recordHash(hash, fields) !== records.page(record).hash[rowInPage(record)]) return -1;
      bytes += 64 + (fields.value?.length ?? 0);
    }
    return bytes;
  }
}
