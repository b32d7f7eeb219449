/**
 * Keys and the versions of their values ("records") as rows of typed-array columns, in pages, so that growth
 * copies nothing. Rows are reused. Their bytes lie in the arena.
 */
import type { Arena } from './arena.ts';
import type { Writer } from './encoding.ts';

const pageBits = 13;
const pageRows = 1 << pageBits;
const rowMask = pageRows - 1;

/** Stands for no row. */
export const none = -1;
/** Length of the value of a tombstone. */
export const tombstoneLength = -1;

export class RecordPage {
  readonly modRevision = new Float64Array(pageRows);
  readonly createRevision = new Float64Array(pageRows);
  readonly version = new Float64Array(pageRows);
  readonly lease = new BigInt64Array(pageRows);
  /** The same in halves: reading one as a bigint makes a new bigint. */
  readonly leaseHalves = new Int32Array(this.lease.buffer);
  /** Row of the key. */
  readonly key = new Int32Array(pageRows);
  /** The version of the same key before this one, or `none`. */
  readonly previous = new Int32Array(pageRows);
  readonly slab = new Int32Array(pageRows);
  readonly offset = new Int32Array(pageRows);
  /** Of the value; tombstoneLength for a deletion. */
  readonly length = new Int32Array(pageRows);
  /** Of the record itself. */
  readonly hash = new Uint32Array(pageRows);
  /** Sum of the hashes of all records that were appended before. */
  readonly hashBefore = new Uint32Array(pageRows);

  /** 0n: none. */
  leaseOf(i: number): bigint {
    if (this.leaseHalves[2 * i] === 0 && this.leaseHalves[2 * i + 1] === 0) return 0n;
    return this.lease[i] as bigint;
  }
}

export class KeyPage {
  readonly slab = new Int32Array(pageRows);
  readonly offset = new Int32Array(pageRows);
  readonly length = new Int32Array(pageRows);
  readonly hash = new Uint32Array(pageRows);
  /** The newest record. */
  readonly newest = new Int32Array(pageRows);
  /** Neighbours among the keys of the same lease. */
  readonly nextOfLease = new Int32Array(pageRows);
  readonly previousOfLease = new Int32Array(pageRows);
}

/** Row numbers given out and taken back. */
class Rows {
  private readonly free: number[] = [];
  used = 0;
  count = 0;

  take(): number {
    this.count++;
    return this.free.pop() ?? this.used++;
  }

  release(row: number): void {
    this.count--;
    this.free.push(row);
  }
}

export function rowInPage(row: number): number {
  return row & rowMask;
}

export class RecordTable {
  private readonly pages: RecordPage[] = [];
  private readonly rows = new Rows();

  get count(): number {
    return this.rows.count;
  }

  add(): number {
    const row = this.rows.take();
    if (row >>> pageBits === this.pages.length) this.pages.push(new RecordPage());
    return row;
  }

  release(row: number): void {
    this.rows.release(row);
  }

  page(row: number): RecordPage {
    return this.pages[row >>> pageBits] as RecordPage;
  }

  modRevision(row: number): number {
    return this.page(row).modRevision[row & rowMask] as number;
  }

  isTombstone(row: number): boolean {
    return this.page(row).length[row & rowMask] === tombstoneLength;
  }

  previous(row: number): number {
    return this.page(row).previous[row & rowMask] as number;
  }

  key(row: number): number {
    return this.page(row).key[row & rowMask] as number;
  }

  lease(row: number): bigint {
    return this.page(row).leaseOf(row & rowMask);
  }
}

export class KeyTable {
  private readonly pages: KeyPage[] = [];
  private readonly rows = new Rows();
  private readonly arena: Arena;

  constructor(arena: Arena) {
    this.arena = arena;
  }

  get count(): number {
    return this.rows.count;
  }

  /** All rows that ever held a key are below it. */
  get rowsUsed(): number {
    return this.rows.used;
  }

  /** The key is bytes[start, end). */
  add(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const row = this.rows.take();
    if (row >>> pageBits === this.pages.length) this.pages.push(new KeyPage());
    const page = this.page(row);
    const i = row & rowMask;
    this.arena.allocate(row * 2 + 1, bytes, start, end);
    page.slab[i] = this.arena.lastSlab;
    page.offset[i] = this.arena.lastOffset;
    page.length[i] = end - start;
    page.hash[i] = hash;
    page.newest[i] = none;
    page.nextOfLease[i] = none;
    page.previousOfLease[i] = none;
    return row;
  }

  release(row: number): void {
    const page = this.page(row);
    const i = row & rowMask;
    this.arena.free(page.slab[i] as number, page.offset[i] as number);
    page.newest[i] = none;
    this.rows.release(row);
  }

  page(row: number): KeyPage {
    return this.pages[row >>> pageBits] as KeyPage;
  }

  /** As compareBytes(bytes, this key). */
  compare(bytes: Uint8Array, row: number): number {
    return this.comparePart(bytes, 0, bytes.length, row);
  }

  /** As compareBytes(bytes[start, end), this key). */
  comparePart(bytes: Uint8Array, start: number, end: number, row: number): number {
    const page = this.pages[row >>> pageBits] as KeyPage;
    const i = row & rowMask;
    return this.arena.compare(
      bytes,
      start,
      end,
      page.slab[i] as number,
      page.offset[i] as number,
      page.length[i] as number,
    );
  }

  copy(row: number): Uint8Array {
    const page = this.page(row);
    const i = row & rowMask;
    return this.arena.copy(page.slab[i] as number, page.offset[i] as number, page.length[i] as number);
  }

  /** Appends length and content of a key to what is written. */
  write(writer: Writer, row: number): void {
    const page = this.page(row);
    const i = row & rowMask;
    this.arena.write(writer, page.slab[i] as number, page.offset[i] as number, page.length[i] as number);
  }

  view(row: number): Uint8Array {
    const page = this.page(row);
    const i = row & rowMask;
    return this.arena.view(page.slab[i] as number, page.offset[i] as number, page.length[i] as number);
  }

  length(row: number): number {
    return this.page(row).length[row & rowMask] as number;
  }

  hash(row: number): number {
    return this.page(row).hash[row & rowMask] as number;
  }

  newest(row: number): number {
    return this.page(row).newest[row & rowMask] as number;
  }

  setNewest(row: number, record: number): void {
    this.page(row).newest[row & rowMask] = record;
  }
}
