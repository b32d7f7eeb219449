/**
 * The keys by hash and in bytewise order. The order: a list of leaves of up to 256 key rows each, found by binary search over the leaves
 * and then within one. Two levels carry tens of millions of keys, since only a split touches the upper one.
 */
import { KeyHashTable } from './key-hash-table.ts';
import type { KeyTable } from './tables.ts';

const leafCapacity = 256;
const leafMerge = 64;

class Leaf {
  readonly rows = new Int32Array(leafCapacity);
  count = 0;
}

export class KeyIndex {
  private readonly keys: KeyTable;
  private readonly hashTable: KeyHashTable;
  private readonly leaves: Leaf[] = [new Leaf()];
  /** The place that `locate` found: leaf and position of the first key not below. */
  private foundLeaf = 0;
  private foundAt = 0;

  constructor(keys: KeyTable) {
    this.keys = keys;
    this.hashTable = new KeyHashTable(keys);
  }

  private leaf(number: number): Leaf {
    return this.leaves[number] as Leaf;
  }

  /** Sets the found place. */
  private locate(key: Uint8Array): void {
    let low = 0;
    let high = this.leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.keys.compare(key, this.leaf(middle).rows[0] as number) < 0) high = middle - 1;
      else low = middle;
    }
    const leaf = this.leaf(low);
    let from = 0;
    let to = leaf.count;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.keys.compare(key, leaf.rows[middle] as number) > 0) from = middle + 1;
      else to = middle;
    }
    this.foundLeaf = low;
    this.foundAt = from;
  }

  /** The row of `key`, or -1. */
  find(key: Uint8Array, hash: number): number {
    return this.findPart(key, 0, key.length, hash);
  }

  /** The row of the key bytes[start, end), or -1. */
  findPart(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const found = this.hashTable.find(bytes, start, end, hash);
    if (found >= 0 || !this.hashTable.hasSpilled) return found;
    return this.findInOrder(bytes.subarray(start, end));
  }

  private findInOrder(key: Uint8Array): number {
    this.locate(key);
    const leaf = this.leaf(this.foundLeaf);
    if (this.foundAt === leaf.count) return -1;
    const row = leaf.rows[this.foundAt] as number;
    return this.keys.compare(key, row) === 0 ? row : -1;
  }

  /** Puts in the row of a `key` that is not there yet. */
  insert(key: Uint8Array, row: number): void {
    this.hashTable.add(row);
    this.locate(key);
    let number = this.foundLeaf;
    let at = this.foundAt;
    let leaf = this.leaf(number);
    if (leaf.count === leafCapacity) {
      // Keys that come in order fill their leaves.
      const atEnd = number === this.leaves.length - 1 && at === leafCapacity;
      const kept = atEnd ? leafCapacity : leafCapacity / 2;
      const right = new Leaf();
      right.rows.set(leaf.rows.subarray(kept, leafCapacity));
      right.count = leafCapacity - kept;
      leaf.count = kept;
      this.leaves.splice(number + 1, 0, right);
      if (at > kept || atEnd) {
        number++;
        at -= kept;
        leaf = right;
      }
    }
    leaf.rows.copyWithin(at + 1, at, leaf.count);
    leaf.rows[at] = row;
    leaf.count++;
  }

  /** Takes out a row that is in, and whose key is still in the table. */
  remove(row: number): void {
    this.hashTable.remove(row);
    this.locate(this.keys.view(row));
    const number = this.foundLeaf;
    const leaf = this.leaf(number);
    leaf.rows.copyWithin(this.foundAt, this.foundAt + 1, leaf.count);
    leaf.count--;
    if (leaf.count >= leafMerge || this.leaves.length === 1) return;
    const leftNumber = number > 0 ? number - 1 : 0;
    const left = this.leaf(leftNumber);
    const right = this.leaf(leftNumber + 1);
    if (left.count + right.count > leafCapacity - leafMerge && leaf.count > 0) return;
    left.rows.set(right.rows.subarray(0, right.count), left.count);
    left.count += right.count;
    this.leaves.splice(leftNumber + 1, 1);
  }

  /** How many rows there are from `start` on, below `end` (undefined: to the last), without a look at each. */
  count(start: Uint8Array, end: Uint8Array | undefined): number {
    let lastLeaf = this.leaves.length - 1;
    let count = this.leaf(lastLeaf).count;
    if (end !== undefined) {
      this.locate(end);
      lastLeaf = this.foundLeaf;
      count = this.foundAt;
    }
    this.locate(start);
    count -= this.foundAt;
    for (let number = this.foundLeaf; number < lastLeaf; number++) count += this.leaf(number).count;
    return count;
  }

  /**
   * Visits the rows from `start` on, below `end` (undefined: to the last), in order, until `visit` returns false.
   * The index must not change meanwhile.
   */
  scan(start: Uint8Array, end: Uint8Array | undefined, visit: (row: number) => boolean | undefined): void {
    let lastLeaf = this.leaves.length - 1;
    let lastCount = this.leaf(lastLeaf).count;
    if (end !== undefined) {
      this.locate(end);
      lastLeaf = this.foundLeaf;
      lastCount = this.foundAt;
    }
    this.locate(start);
    let at = this.foundAt;
    for (let number = this.foundLeaf; number <= lastLeaf; number++) {
      const leaf = this.leaf(number);
      const count = number === lastLeaf ? lastCount : leaf.count;
      for (; at < count; at++) {
        if (visit(leaf.rows[at] as number) === false) return;
      }
      at = 0;
    }
  }
}
