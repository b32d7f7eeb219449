/** Finds a key's row by its hash: open addressing in groups, rows in one typed array. Clients choose the keys. */
import { freeSlot, nextSlot, placeRow, slotOfRow } from './slot-groups.ts';
import type { KeyTable } from './tables.ts';

const smallest = 1024;

export class KeyHashTable {
  private readonly keys: KeyTable;
  /** Row + 1; 0 is free. */
  private slots = new Int32Array(smallest);
  private count = 0;
  /** Rows whose group was full. They are not found here. */
  private readonly spilled = new Set<number>();

  constructor(keys: KeyTable) {
    this.keys = keys;
  }

  get hasSpilled(): boolean {
    return this.spilled.size > 0;
  }

  /** The row of the key bytes[start, end), or -1: there is none, or it was spilled. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const { slots, keys } = this;
    const home = hash & (slots.length - 1);
    let at = home;
    do {
      const row = (slots[at] as number) - 1;
      if (row < 0) return -1;
      if (keys.hash(row) === hash && keys.comparePart(bytes, start, end, row) === 0) return row;
      at = nextSlot(at);
    } while (at !== home);
    return -1;
  }

  add(row: number): void {
    if (this.count * 2 >= this.slots.length) this.resize(this.slots.length * 2);
    this.count++;
    this.place(row);
  }

  remove(row: number): void {
    this.count--;
    if (!this.spilled.delete(row)) {
      freeSlot(this.slots, slotOfRow(this.slots, this.home(row), row), this.homeOf);
    }
    const { length } = this.slots;
    if (length > smallest && this.count * 8 < length) this.resize(length / 2);
  }

  /** Where the search for a row begins. */
  private home(row: number): number {
    return this.keys.hash(row) & (this.slots.length - 1);
  }

  private readonly homeOf = (row: number): number => this.home(row);

  private place(row: number): void {
    if (!placeRow(this.slots, this.home(row), row)) this.spilled.add(row);
  }

  private resize(length: number): void {
    const { slots } = this;
    const spilled = [...this.spilled];
    this.slots = new Int32Array(length);
    this.spilled.clear();
    for (const slot of slots) if (slot !== 0) this.place(slot - 1);
    for (const row of spilled) this.place(row);
  }
}
