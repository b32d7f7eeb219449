/**
 * The multi-version store: every version of every key since the compact revision, and before that the one that
 * was current at it. Revisions start at 1 for the empty store, as in etcd; the first write gets 2.
 *
 * A write appends a record at `revision + 1`; `commit` makes that the revision, `rollBack` takes the writes since
 * the last commit away again. What is visible depends on `compactRevision` alone, never on how far the dropping
 * of old records has got.
 */
import { Arena } from './arena.ts';
import { finishHash, hashBytes, mixHash } from './bytes.ts';
import { Compaction } from './compaction.ts';
import type { Writer } from './encoding.ts';
import { History } from './history.ts';
import { KeyIndex } from './key-index.ts';
import { recordHash } from './record-hash.ts';
import { KeyTable, none, RecordTable, rowInPage, tombstoneLength } from './tables.ts';
import type { KeyValue } from './types.ts';

/** What a record takes besides its key and value. */
const recordBytes = 80;
const keyHashSeed = 0x5bd1e995;
const noValue = new Uint8Array(0);

/** Hears when the lease that a key belongs to changes. */
export type LeaseChange = (key: number, from: bigint, to: bigint) => void;

export interface RecordFields {
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: bigint;
  /** Undefined: a tombstone. */
  readonly value: Uint8Array | undefined;
}

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
  value: Uint8Array | undefined = noValue;
}

export class Store {
  readonly arena = new Arena();
  readonly keys = new KeyTable(this.arena);
  readonly records = new RecordTable();
  readonly index = new KeyIndex(this.keys);
  readonly history = new History();
  revision = 1;
  compactRevision = 0;
  /** While above 0, nothing is dropped: snapshots, or ranges in parts, are being read. */
  openSnapshots = 0;
  /** Sum of the hashes of all records ever appended; differences of it give the hash of a stretch of history. */
  historyHash = 0;
  onLeaseChange: LeaseChange = () => {};
  private readonly compaction = new Compaction(this);
  /** What `putRow` fills in: an object for each put would be garbage at once. */
  private readonly draft = new Draft();
  private committedTail = 0;
  private contentBytes = 0;
  /** Place of the last record within its revision. */
  private order = 0;

  get sizeBytes(): number {
    return this.contentBytes + this.records.count * recordBytes;
  }

  get hasUncommitted(): boolean {
    return this.history.tail !== this.committedTail;
  }

  static keyHash(key: Uint8Array): number {
    return hashBytes(key, 0, key.length, keyHashSeed);
  }

  /** The newest record of a key row if it is not a tombstone, uncommitted ones included; or `none`. */
  current(key: number): number {
    const newest = this.keys.newest(key);
    return newest === none || this.records.isTombstone(newest) ? none : newest;
  }

  /** The row of a key that has any record; or -1. */
  findRow(key: Uint8Array): number {
    return this.index.find(key, Store.keyHash(key));
  }

  /** The current record of a key, or `none`. */
  find(key: Uint8Array): number {
    const row = this.findRow(key);
    return row < 0 ? none : this.current(row);
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
    draft.value = noValue;
    if (oldLease !== lease) this.onLeaseChange(row, oldLease, lease);
  }

  /** Deletes a key row that has a current record. */
  delete(row: number): void {
    const lease = this.records.lease(this.keys.newest(row));
    const modRevision = this.revision + 1;
    this.append(row, { createRevision: 0, modRevision, version: 0, lease: 0n, value: undefined });
    if (lease !== 0n) this.onLeaseChange(row, lease, 0n);
  }

  /** The row of a key, made if there is none. */
  rowOf(key: Uint8Array): number {
    return this.rowOfPart(key, 0, key.length);
  }

  private rowOfPart(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end, keyHashSeed);
    const found = this.index.findPart(bytes, start, end, hash);
    if (found >= 0) return found;
    const row = this.keys.addPart(bytes, start, end, hash);
    this.index.insert(this.keys.view(row), row);
    this.contentBytes += end - start;
    return row;
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

  /** Its value is what stands from `start` to `end` in that of the fields. */
  private addRecord(key: number, fields: RecordFields, start: number, end: number): number {
    const record = this.records.add();
    const page = this.records.page(record);
    const i = rowInPage(record);
    page.modRevision[i] = fields.modRevision;
    page.createRevision[i] = fields.createRevision;
    page.version[i] = fields.version;
    page.lease[i] = fields.lease;
    page.key[i] = key;
    page.hash[i] = recordHash(this.keys.hash(key), fields, start, end);
    page.previous[i] = this.keys.newest(key);
    if (fields.value === undefined) {
      page.length[i] = tombstoneLength;
    } else {
      page.length[i] = end - start;
      if (end > start) {
        this.arena.allocate(record * 2, fields.value, start, end);
        page.slab[i] = this.arena.lastSlab;
        page.offset[i] = this.arena.lastOffset;
        this.contentBytes += end - start;
      }
    }
    this.keys.setNewest(key, record);
    return record;
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

  releaseRecord(record: number): void {
    const page = this.records.page(record);
    const i = rowInPage(record);
    const length = page.length[i] as number;
    if (length > 0) {
      this.arena.free(page.slab[i] as number, page.offset[i] as number);
      this.contentBytes -= length;
    }
    this.records.release(record);
  }

  /** Takes a key out that has no record left. */
  removeKey(key: number): void {
    this.contentBytes -= this.keys.length(key);
    this.index.remove(key);
    this.keys.release(key);
  }

  /** Drops up to about `budget` records that compaction has made invisible, and tidies the arena. */
  dropCompacted(budget: number): void {
    if (this.openSnapshots === 0) this.compaction.drop(budget);
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
    return (this.openSnapshots > 0 || this.compaction.done) && this.arena.tidy;
  }

  get compactionDone(): boolean {
    return this.compaction.done;
  }

  private readonly relocate = (owner: number, slab: number, offset: number): void => {
    const row = owner >>> 1;
    const page = (owner & 1) === 0 ? this.records.page(row) : this.keys.page(row);
    page.slab[rowInPage(row)] = slab;
    page.offset[rowInPage(row)] = offset;
  };

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

  valueCopy(record: number): Uint8Array {
    const page = this.records.page(record);
    const i = rowInPage(record);
    const length = page.length[i] as number;
    return length > 0 ? this.arena.copy(page.slab[i] as number, page.offset[i] as number, length) : noValue;
  }

  /** A view that must not be kept. */
  valueView(record: number): Uint8Array {
    const page = this.records.page(record);
    const i = rowInPage(record);
    const length = page.length[i] as number;
    return length > 0 ? this.arena.view(page.slab[i] as number, page.offset[i] as number, length) : noValue;
  }

  /** Appends length and content of a value to what is written. */
  writeValue(writer: Writer, record: number): void {
    const page = this.records.page(record);
    const i = rowInPage(record);
    const length = page.length[i] as number;
    if (length > 0) this.arena.write(writer, page.slab[i] as number, page.offset[i] as number, length);
    else writer.varint(0);
  }

  keyValue(record: number, withValue = true): KeyValue {
    const page = this.records.page(record);
    const i = rowInPage(record);
    return {
      key: this.keys.copy(page.key[i] as number),
      createRevision: page.createRevision[i] as number,
      modRevision: page.modRevision[i] as number,
      version: page.version[i] as number,
      value: withValue ? this.valueCopy(record) : noValue,
      lease: page.leaseOf(i),
    };
  }

  /** As `keyValue`, from a record's fields with a view of its value; undefined value for a tombstone. */
  fields(record: number): RecordFields {
    const page = this.records.page(record);
    const i = rowInPage(record);
    return {
      createRevision: page.createRevision[i] as number,
      modRevision: page.modRevision[i] as number,
      version: page.version[i] as number,
      lease: page.leaseOf(i),
      value: page.length[i] === tombstoneLength ? undefined : this.valueView(record),
    };
  }
}
