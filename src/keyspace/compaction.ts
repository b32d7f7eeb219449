/**
 * Takes records out of the store that compaction has made invisible, a few with each entry, and knows the hash of
 * the compacted part ("base": what was current at the compact revision and is older) however far that has got.
 *
 * A record at the front of history that is older than the compact revision leaves history and becomes part of the
 * base; the one before it of the same key goes. A deletion goes too, with its key, when nothing came after it.
 * Records of the compact revision itself stay in history, for watchers that start there.
 */
import type { Store } from './store.ts';
import { none, rowInPage } from './tables.ts';

export class Compaction {
  private readonly store: Store;
  /** Sum of the hashes of the base's live records. */
  private baseHash = 0;
  /** As if this were the compact revision, everything was dropped. */
  doneTo = 0;
  /** Records of this revision, which stay in history, are gone through up to that position. */
  private passing = 0;
  private passed = 0;

  constructor(store: Store) {
    this.store = store;
  }

  /** Nothing is left to drop. */
  get done(): boolean {
    return this.doneTo === this.store.compactRevision;
  }

  /** Counts a record that came with a snapshot as part of the base. */
  addBase(record: number): void {
    this.baseHash = (this.baseHash + this.liveHash(record)) >>> 0;
  }

  /** A snapshot holds nothing to be dropped. */
  adopt(): void {
    this.doneTo = this.store.compactRevision;
  }

  /**
   * Drops up to about `budget` records, of what nobody sees from revision `target` on, which is at most the compact one. No
   * write may be uncommitted.
   */
  drop(budget: number, target: number): void {
    const { store } = this;
    const { history, records } = store;
    if (this.doneTo === target) return;
    let left = budget;
    for (; history.head < history.tail; left--) {
      const record = history.at(history.head);
      if (records.modRevision(record) >= target) break;
      if (left <= 0) return;
      history.dropFirst();
      this.baseHash = (this.baseHash + this.baseChange(record, target)) >>> 0;
      this.dropPrevious(record, target);
      const key = records.key(record);
      if (records.isTombstone(record) && store.keys.newest(key) === record) {
        store.releaseRecord(record);
        store.removeKey(key);
      }
    }
    // One revision may be of very many records.
    if (this.passing !== target) {
      this.passing = target;
      this.passed = history.head;
    }
    for (; this.passed < history.tail; this.passed++, left--) {
      const record = history.at(this.passed);
      if (records.modRevision(record) !== target) break;
      if (left <= 0) return;
      this.baseHash = (this.baseHash + this.previousChange(record, target)) >>> 0;
      this.dropPrevious(record, target);
    }
    this.doneTo = target;
  }

  /** Hash of what the base has to hold: of what it does hold, and of what `drop` has still to change. */
  hashOfBase(): number {
    const { history, records, compactRevision } = this.store;
    let sum = this.baseHash;
    if (this.doneTo === compactRevision) return sum;
    for (let position = history.head; position < history.tail; position++) {
      const record = history.at(position);
      const modRevision = records.modRevision(record);
      if (modRevision > compactRevision) break;
      const change =
        modRevision < compactRevision
          ? this.baseChange(record, compactRevision)
          : this.previousChange(record, compactRevision);
      sum = (sum + change) >>> 0;
    }
    return sum;
  }

  private liveHash(record: number): number {
    const { records } = this.store;
    return records.isTombstone(record) ? 0 : (records.page(record).hash[rowInPage(record)] as number);
  }

  /** How the hash of the base at `target` changes when a record leaves history for it. */
  private baseChange(record: number, target: number): number {
    return this.liveHash(record) + this.previousChange(record, target);
  }

  /** The same of a record at `target`, which stays in history: only the one before it leaves. */
  private previousChange(record: number, target: number): number {
    const { records } = this.store;
    const previous = records.previous(record);
    if (previous === none || records.modRevision(previous) >= target) return 0;
    return -this.liveHash(previous);
  }

  /** The record before one at or below `target` is visible to nobody. */
  private dropPrevious(record: number, target: number): void {
    const { records } = this.store;
    const page = records.page(record);
    const previous = page.previous[rowInPage(record)] as number;
    if (previous === none || records.modRevision(previous) >= target) return;
    page.previous[rowInPage(record)] = none;
    this.store.releaseRecord(previous);
  }
}
