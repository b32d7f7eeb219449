/**
 * Keys and the versions of their values ("records"), and where their bytes lie. What they mean, which of them are visible and
 * in which order they were written, is the store's.
 */
import { Arena } from './arena.ts';
import { emptyBytes, hashBytes } from './bytes.ts';
import type { Writer } from './encoding.ts';
import { KeyIndex } from './key-index.ts';
import { recordHash } from './record-hash.ts';
import { KeyTable, none, RecordTable, rowInPage, tombstoneLength } from './tables.ts';
import type { KeyValue } from './types.ts';

/** What a record takes besides its key and value. */
const recordBytes = 80;
const keyHashSeed = 0x5bd1e995;

export interface RecordFields {
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: bigint;
  /** Undefined: a tombstone. */
  readonly value: Uint8Array | undefined;
}

export class Content {
  readonly arena = new Arena();
  readonly keys = new KeyTable(this.arena);
  readonly records = new RecordTable();
  readonly index = new KeyIndex(this.keys);
  private bytes = 0;

  get sizeBytes(): number {
    return this.bytes + this.records.count * recordBytes;
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
    return this.index.find(key, Content.keyHash(key));
  }

  /** The current record of a key, or `none`. */
  find(key: Uint8Array): number {
    const row = this.findRow(key);
    return row < 0 ? none : this.current(row);
  }

  /** The row of a key, made if there is none. */
  rowOf(key: Uint8Array): number {
    return this.rowOfPart(key, 0, key.length);
  }

  rowOfPart(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashBytes(bytes, start, end, keyHashSeed);
    const found = this.index.findPart(bytes, start, end, hash);
    if (found >= 0) return found;
    const row = this.keys.add(bytes, start, end, hash);
    this.index.insert(this.keys.view(row), row);
    this.bytes += end - start;
    return row;
  }

  /** Its value is what stands from `start` to `end` in that of the fields. */
  protected addRecord(key: number, fields: RecordFields, start: number, end: number): number {
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
        this.bytes += end - start;
      }
    }
    this.keys.setNewest(key, record);
    return record;
  }

  releaseRecord(record: number): void {
    const page = this.records.page(record);
    const i = rowInPage(record);
    const length = page.length[i] as number;
    if (length > 0) {
      this.arena.free(page.slab[i] as number, page.offset[i] as number);
      this.bytes -= length;
    }
    this.records.release(record);
  }

  /** Takes a key out that has no record left. */
  removeKey(key: number): void {
    this.bytes -= this.keys.length(key);
    this.index.remove(key);
    this.keys.release(key);
  }

  protected readonly relocate = (owner: number, slab: number, offset: number): void => {
    const row = owner >>> 1;
    const page = (owner & 1) === 0 ? this.records.page(row) : this.keys.page(row);
    page.slab[rowInPage(row)] = slab;
    page.offset[rowInPage(row)] = offset;
  };

  valueCopy(record: number): Uint8Array {
    const page = this.records.page(record);
    const i = rowInPage(record);
    const length = page.length[i] as number;
    return length > 0
      ? this.arena.copy(page.slab[i] as number, page.offset[i] as number, length)
      : emptyBytes;
  }

  /** A view that must not be kept. */
  valueView(record: number): Uint8Array {
    const page = this.records.page(record);
    const i = rowInPage(record);
    const length = page.length[i] as number;
    return length > 0
      ? this.arena.view(page.slab[i] as number, page.offset[i] as number, length)
      : emptyBytes;
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
      value: withValue ? this.valueCopy(record) : emptyBytes,
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
