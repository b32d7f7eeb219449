/** Finds a key's row by its hash: open addressing with linear probing, rows in one typed array. */
import type { KeyTable } from './tables.ts';

const smallest = 1024;

export class KeyHashTable {
  private readonly keys: KeyTable;
  /** Row + 1; 0 is free. */
  private slots = new Int32Array(smallest);
  private count = 0;

  constructor(keys: KeyTable) {
    this.keys = keys;
  }

  /** The row of `key`, or -1. */
  find(key: Uint8Array, hash: number): number {
    const { slots, keys } = this;
    const mask = slots.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const row = (slots[at] as number) - 1;
      if (row < 0) return -1;
      if (keys.hash(row) === hash && keys.compare(key, row) === 0) return row;
    }
  }

  add(row: number): void {
    if (this.count * 2 >= this.slots.length) this.resize(this.slots.length * 2);
    this.count++;
    this.place(row);
  }

  remove(row: number): void {
    const { slots, keys } = this;
    const mask = slots.length - 1;
    let hole = keys.hash(row) & mask;
    while (slots[hole] !== row + 1) hole = (hole + 1) & mask;
    this.count--;
    // What follows moves up, unless that would put it before the place where its search starts.
    for (let at = (hole + 1) & mask; slots[at] !== 0; at = (at + 1) & mask) {
      const home = keys.hash((slots[at] as number) - 1) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = slots[at] as number;
      hole = at;
    }
    slots[hole] = 0;
    if (slots.length > smallest && this.count * 8 < slots.length) this.resize(slots.length / 2);
  }

  private place(row: number): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let at = this.keys.hash(row) & mask;
    while (slots[at] !== 0) at = (at + 1) & mask;
    slots[at] = row + 1;
  }

  private resize(length: number): void {
    const old = this.slots;
    this.slots = new Int32Array(length);
    for (const slot of old) if (slot !== 0) this.place(slot - 1);
  }
}
