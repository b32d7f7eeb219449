/**
 * The multi-version store: every version of every key since the compact revision, and before that the one that
 * was current at it. Revisions start at 1 for the empty store, as in etcd; the first write gets 2.
 *
 * A write appends a record at `revision + 1`; `commit` makes that the revision, `rollBack` takes the writes since
 * the last commit away again. What is visible depends on `compactRevision` alone, never on how far the dropping
 * of old records has got.
 */
import { emptyBytes, finishHash, mixHash } from './bytes.ts';
import { Compaction } from './compaction.ts';
import { Content, type RecordFields } from './content.ts';
import { HeldRevisions } from './held-revisions.ts';
import { History } from './history.ts';
import { none, rowInPage } from './tables.ts';

/** Hears when the lease that a key belongs to changes. */
export type LeaseChange = (key: number, from: bigint, to: bigint) => void;

/** A key and a value that lie in one array. */
export interface PlainPut {
  readonly data: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

class Draft implements RecordFields {
  createRevision = 0;
  modRevision = 0;
  version = 0;
  lease = 0n;
  value: Uint8Array | undefined = emptyBytes;
}

export class Store extends Content {
  readonly history = new History();
  revision = 1;
  compactRevision = 0;
  /** While above 0, nothing is dropped: snapshots are being read. */
  openSnapshots = 0;
  /** Ranges are being read at them, in parts. */
  readonly held = new HeldRevisions();
  /** Sum of the hashes of all records ever appended; differences of it give the hash of a stretch of history. */
  historyHash = 0;
  onLeaseChange: LeaseChange = () => {};
  private readonly compaction = new Compaction(this);
  /** What `putRow` fills in: an object for each put would be garbage at once. */
  private readonly draft = new Draft();
  private committedTail = 0;
  /** Place of the last record within its revision. */
  private order = 0;

  get hasUncommitted(): boolean {
    return this.history.tail !== this.committedTail;
  }

  /** The record of a key row that was current at `revision`, which is not below the compact revision; or `none`. */
  visibleAt(key: number, revision: number): number {
    let record = this.keys.newest(key);
    while (record !== none && this.records.modRevision(record) > revision) {
      record = this.records.previous(record);
    }
    return record === none || this.records.isTombstone(record) ? none : record;
  }

  put(key: Uint8Array, value: Uint8Array, lease: bigint): void {
    this.putRow(this.rowOf(key), lease, value, 0, value.length);
  }

  /** Without a lease. */
  putPlain({ data, keyStart, keyEnd, valueStart, valueEnd }: PlainPut): void {
    this.putRow(this.rowOfPart(data, keyStart, keyEnd), 0n, data, valueStart, valueEnd);
  }

  /** The value is bytes[start, end). */
  private putRow(row: number, lease: bigint, bytes: Uint8Array, start: number, end: number): void {
    const { draft } = this;
    const modRevision = this.revision + 1;
    const current = this.current(row);
    draft.modRevision = modRevision;
    draft.createRevision = modRevision;
    draft.version = 1;
    draft.lease = lease;
    draft.value = bytes;
    let oldLease = 0n;
    if (current !== none) {
      const page = this.records.page(current);
      const i = rowInPage(current);
      draft.createRevision = page.createRevision[i] as number;
      draft.version = (page.version[i] as number) + 1;
      oldLease = page.leaseOf(i);
    }
    this.appendPart(row, draft, start, end);
    draft.value = emptyBytes;
    if (oldLease !== lease) this.onLeaseChange(row, oldLease, lease);
  }

  /** Deletes a key row that has a current record. */
  delete(row: number): void {
    const lease = this.records.lease(this.keys.newest(row));
    const modRevision = this.revision + 1;
    this.append(row, { createRevision: 0, modRevision, version: 0, lease: 0n, value: undefined });
    if (lease !== 0n) this.onLeaseChange(row, lease, 0n);
  }

  /** Adds a record at the end of history. */
  append(key: number, fields: RecordFields): void {
    this.appendPart(key, fields, 0, fields.value?.length ?? 0);
  }

  private appendPart(key: number, fields: RecordFields, start: number, end: number): void {
    const record = this.addRecord(key, fields, start, end);
    const page = this.records.page(record);
    page.hashBefore[rowInPage(record)] = this.historyHash;
    const tail = this.history.tail;
    const first =
      tail === this.history.head ||
      this.records.modRevision(this.history.at(tail - 1)) !== fields.modRevision;
    this.order = first ? 0 : this.order + 1;
    const hash = finishHash(mixHash(page.hash[rowInPage(record)] as number, this.order));
    this.historyHash = (this.historyHash + hash) >>> 0;
    this.history.push(record);
  }

  /** Adds a record that is older than history: what was current at the compact revision. */
  appendBase(key: number, fields: RecordFields): void {
    this.compaction.addBase(this.addRecord(key, fields, 0, fields.value?.length ?? 0));
  }

  /** Ends a transaction: its writes, if any, become the next revision. */
  commit(): void {
    if (!this.hasUncommitted) return;
    this.revision++;
    this.committedTail = this.history.tail;
  }

  /** Takes everything that was added as committed at `revision`: the end of a restore. */
  adopt(revision: number): void {
    this.revision = revision;
    this.committedTail = this.history.tail;
    this.compaction.adopt();
  }

  /** A place to come back to with `rollBack`. */
  mark(): { tail: number; revision: number } {
    return { tail: this.history.tail, revision: this.revision };
  }

  /** Takes everything away that was written since `mark`, committed or not. Leases are told in reverse. */
  rollBack(mark: { tail: number; revision: number }): void {
    while (this.history.tail > mark.tail) this.undoLast();
    this.revision = mark.revision;
    this.committedTail = mark.tail;
  }

  private undoLast(): void {
    const record = this.history.at(this.history.tail - 1);
    const key = this.records.key(record);
    const lease = this.records.lease(record);
    const previous = this.records.previous(record);
    this.historyHash = this.records.page(record).hashBefore[rowInPage(record)] as number;
    this.history.dropLast();
    this.releaseRecord(record);
    this.keys.setNewest(key, previous);
    const oldLease = previous === none ? 0n : this.records.lease(previous);
    if (lease !== oldLease) this.onLeaseChange(key, lease, oldLease);
    if (previous === none) this.removeKey(key);
  }

  /** Drops up to about `budget` records that compaction has made invisible, and tidies the arena. */
  dropCompacted(budget: number): void {
    if (this.openSnapshots === 0) this.compaction.drop(budget, this.droppable);
    this.arena.maintain(budget * 64, this.relocate);
  }

  /**
   * Hash of what can be read up to `revision`, which is not below the compact one: what was current at the compact
   * revision, and the history from there on. Replicas with the same compact revision give the same. No walk over it.
   */
  hash(revision = this.revision): number {
    const history = this.hashBefore(revision + 1) - this.hashBefore(this.compactRevision);
    return finishHash(mixHash(this.compaction.hashOfBase(), history >>> 0));
  }

  /** Sum of the hashes of all records before `revision`. */
  private hashBefore(revision: number): number {
    const position = this.positionOf(revision);
    if (position === this.history.tail) return this.historyHash;
    const record = this.history.at(position);
    return this.records.page(record).hashBefore[rowInPage(record)] as number;
  }

  /** Drops what compaction has made invisible; true when nothing of it is left. A step costs about `budget` records. */
  tidy(budget: number): boolean {
    this.dropCompacted(budget);
    return (this.openSnapshots > 0 || this.compaction.doneTo === this.droppable) && this.arena.tidy;
  }

  /** What is visible below this revision only, nobody can ask for, and nobody reads. */
  private get droppable(): number {
    return Math.min(this.compactRevision, Math.max(this.held.lowest, this.compaction.doneTo));
  }

  get compactionDone(): boolean {
    return this.compaction.done;
  }

  /** The first position in history at or above `revision`. */
  positionOf(revision: number): number {
    let low = this.history.head;
    let high = this.history.tail;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.records.modRevision(this.history.at(middle)) < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
