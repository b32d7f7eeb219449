/**
 * What a renewal touches of each lease, in columns: its id, its TTL and its deadline, and where an id stands (open
 * addressing, in groups). All replicas renew every lease all the time, and with objects behind a Map nearly all of
 * that is waiting for memory: five places for each, all over the heap. Clients may choose the ids.
 */
import { finishHash } from './bytes.ts';
import { IdTree } from './id-tree.ts';
import { freeSlot, nextSlot, placeRow, slotOfRow } from './slot-groups.ts';

export interface HasRow {
  /** Where it stands now; set here. */
  row: number;
}

/** Rows at first, and at least. Twice as many slots, so that at most half of them are taken. */
const fewestRows = 64;
/** A 64-bit number, and its halves. */
const whole = new BigInt64Array(1);
const halves = new Int32Array(whole.buffer);

export class LeaseRows<T extends HasRow> {
  deadlinesMs = new Float64Array(fewestRows);
  private ttlsMs = new Float64Array(fewestRows);
  /** Two halves for each row. */
  private ids = new Int32Array(fewestRows * 2);
  /** Row + 1; 0 is free. */
  private slots = new Int32Array(fewestRows * 2);
  private readonly items: T[] = [];
  /** Those whose group was full. */
  private readonly spilled = new IdTree<T>();

  get count(): number {
    return this.items.length;
  }

  find(id: bigint): T | undefined {
    const row = this.rowOf(id);
    return row < 0 ? undefined : this.items[row];
  }

  /** The lease's TTL, or 0 if it is not there. */
  renew(id: bigint, timeMs: number): number {
    const row = this.rowOf(id);
    if (row < 0) return 0;
    const ttlMs = this.ttlsMs[row] as number;
    this.deadlinesMs[row] = timeMs + ttlMs;
    return ttlMs;
  }

  /** One that is not there yet. */
  add(id: bigint, ttlMs: number, deadlineMs: number, item: T): void {
    const row = this.items.length;
    if (row === this.ttlsMs.length) this.resize(row * 2);
    whole[0] = id;
    this.ids[row * 2] = halves[0] as number;
    this.ids[row * 2 + 1] = halves[1] as number;
    this.ttlsMs[row] = ttlMs;
    this.deadlinesMs[row] = deadlineMs;
    this.items.push(item);
    item.row = row;
    this.place(row);
  }

  /** One that is there. The last one takes its row. */
  remove(item: T): void {
    const { row } = item;
    const slot = slotOfRow(this.slots, this.home(row), row);
    if (slot >= 0) freeSlot(this.slots, slot, this.homeOf);
    else this.spilled.remove(this.ids[row * 2] as number, this.ids[row * 2 + 1] as number);
    const last = this.items.length - 1;
    const moved = this.items.pop() as T;
    if (row !== last) {
      const slotOfLast = slotOfRow(this.slots, this.home(last), last);
      if (slotOfLast >= 0) this.slots[slotOfLast] = row + 1;
      this.ids.copyWithin(row * 2, last * 2, last * 2 + 2);
      this.ttlsMs[row] = this.ttlsMs[last] as number;
      this.deadlinesMs[row] = this.deadlinesMs[last] as number;
      this.items[row] = moved;
      moved.row = row;
    }
    const { length } = this.ttlsMs;
    if (length > fewestRows && last * 4 < length) this.resize(length / 2);
  }

  private rowOf(id: bigint): number {
    whole[0] = id;
    const first = halves[0] as number;
    const second = halves[1] as number;
    const { slots, ids } = this;
    const home = hashOf(first, second) & (slots.length - 1);
    let at = home;
    do {
      const row = (slots[at] as number) - 1;
      if (row < 0) break;
      if (ids[row * 2] === first && ids[row * 2 + 1] === second) return row;
      at = nextSlot(at);
    } while (at !== home);
    return this.spilled.size === 0 ? -1 : (this.spilled.find(first, second)?.row ?? -1);
  }

  /** Where the search for a row begins. */
  private home(row: number): number {
    const hash = hashOf(this.ids[row * 2] as number, this.ids[row * 2 + 1] as number);
    return hash & (this.slots.length - 1);
  }

  private readonly homeOf = (row: number): number => this.home(row);

  private place(row: number): void {
    if (placeRow(this.slots, this.home(row), row)) return;
    this.spilled.add(this.ids[row * 2] as number, this.ids[row * 2 + 1] as number, this.items[row] as T);
  }

  private resize(rows: number): void {
    this.deadlinesMs = resized(this.deadlinesMs, new Float64Array(rows));
    this.ttlsMs = resized(this.ttlsMs, new Float64Array(rows));
    this.ids = resized(this.ids, new Int32Array(rows * 2));
    this.slots = new Int32Array(rows * 2);
    this.spilled.clear();
    for (let row = 0; row < this.items.length; row++) this.place(row);
  }
}

function hashOf(first: number, second: number): number {
  return finishHash(first ^ Math.imul(second, 0x9e3779b1));
}

function resized<A extends Float64Array | Int32Array>(from: A, to: A): A {
  to.set(from.subarray(0, Math.min(from.length, to.length)));
  return to;
}
