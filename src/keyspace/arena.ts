/**
 * Byte strings in slabs of 1 MiB instead of one object each: a million values are then no work for the garbage
 * collector. A slab that is mostly freed has its rest moved and is dropped; slab memory is never used again for
 * something else. Each string is preceded by its owner's number and its length, so that a slab can be walked.
 */
import { copyBytes } from './bytes.ts';
import type { Writer } from './encoding.ts';

const slabBytes = 1 << 20;
/** Strings above this get a slab of their own. */
const largeBytes = 1 << 17;
const headerBytes = 8;
/** Copied in a loop: for more, a view of the source is worth its cost. */
const shortBytes = 128;
const freed = -1;

class Slab {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  used = 0;
  live = 0;
  sparse = false;

  constructor(sizeBytes: number) {
    const buffer = new ArrayBuffer(sizeBytes);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
  }
}

/** Tells the owner of a moved string its new place. */
export type Relocate = (owner: number, slab: number, offset: number) => void;

function paddedBytes(length: number): number {
  return (headerBytes + length + 3) & ~3;
}

export class Arena {
  /** Where the last allocation went: the slab's number and the offset of the string's first byte. */
  lastSlab = 0;
  lastOffset = 0;
  private readonly slabs: (Slab | undefined)[] = [];
  private readonly freeNumbers: number[] = [];
  private readonly sparse: number[] = [];
  private scanned = 0;
  private current = -1;

  /** No slab waits for what is left in it to be moved. */
  get tidy(): boolean {
    return this.sparse.length === 0;
  }

  private addSlab(sizeBytes: number): number {
    const slab = new Slab(sizeBytes);
    const number = this.freeNumbers.pop();
    if (number === undefined) return this.slabs.push(slab) - 1;
    this.slabs[number] = slab;
    return number;
  }

  private slab(number: number): Slab {
    return this.slabs[number] as Slab;
  }

  /** Copies source[start, end) in; the place is in `lastSlab` and `lastOffset`. */
  allocate(owner: number, source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const size = paddedBytes(length);
    let number = this.current;
    if (length > largeBytes) number = this.addSlab(size);
    else if (number < 0 || this.slab(number).used + size > slabBytes) number = this.rollOver();
    const slab = this.slab(number);
    const at = slab.used;
    slab.words[at >>> 2] = owner;
    slab.words[(at >>> 2) + 1] = length;
    const offset = at + headerBytes;
    if (length <= shortBytes) {
      const bytes = slab.bytes;
      for (let i = 0; i < length; i++) bytes[offset + i] = source[start + i] as number;
    } else {
      slab.bytes.set(source.subarray(start, end), offset);
    }
    slab.used += size;
    slab.live += size;
    this.lastSlab = number;
    this.lastOffset = offset;
  }

  private rollOver(): number {
    const old = this.current;
    this.current = this.addSlab(slabBytes);
    if (old >= 0) this.review(old);
    return this.current;
  }

  /** Drops an empty slab, queues a sparse one for `maintain`. */
  private review(number: number): void {
    const slab = this.slab(number);
    if (slab.live === 0) {
      // One queued for moving keeps its number until the queue has passed it.
      if (slab.sparse) return;
      this.drop(number);
    } else if (!slab.sparse && slab.live * 2 < slab.used) {
      slab.sparse = true;
      this.sparse.push(number);
    }
  }

  private drop(number: number): void {
    this.slabs[number] = undefined;
    this.freeNumbers.push(number);
  }

  free(slabNumber: number, offset: number): void {
    const slab = this.slab(slabNumber);
    const at = (offset - headerBytes) >>> 2;
    slab.live -= paddedBytes(slab.words[at + 1] as number);
    slab.words[at] = freed;
    if (slabNumber !== this.current) this.review(slabNumber);
  }

  /** Moves up to about `budgetBytes` out of sparse slabs. */
  maintain(budgetBytes: number, relocate: Relocate): void {
    let budget = budgetBytes;
    while (budget > 0 && this.sparse.length > 0) {
      const number = this.sparse[0] as number;
      const slab = this.slab(number);
      while (budget > 0 && this.scanned < slab.used && slab.live > 0) {
        const at = this.scanned >>> 2;
        const owner = slab.words[at] as number;
        const length = slab.words[at + 1] as number;
        const start = this.scanned + headerBytes;
        this.scanned += paddedBytes(length);
        budget -= paddedBytes(owner === freed ? 0 : length);
        if (owner === freed) continue;
        this.allocate(owner, slab.bytes, start, start + length);
        relocate(owner, this.lastSlab, this.lastOffset);
        this.free(number, start);
      }
      if (slab.live > 0) return;
      this.sparse.shift();
      this.scanned = 0;
      this.drop(number);
    }
  }

  copy(slab: number, offset: number, length: number): Uint8Array {
    return copyBytes(this.slab(slab).bytes, offset, offset + length);
  }

  /** Appends length and content to what is written. */
  write(writer: Writer, slab: number, offset: number, length: number): void {
    writer.part(this.slab(slab).bytes, offset, offset + length);
  }

  /** A view that must not be kept: moving strings leaves it behind. */
  view(slab: number, offset: number, length: number): Uint8Array {
    return this.slab(slab).bytes.subarray(offset, offset + length);
  }

  /** As compareBytes(bytes[start, end), the string at this place). */
  compare(
    bytes: Uint8Array,
    start: number,
    end: number,
    slab: number,
    offset: number,
    length: number,
  ): number {
    const stored = this.slab(slab).bytes;
    const given = end - start;
    const shared = given < length ? given : length;
    for (let i = 0; i < shared; i++) {
      const difference = (bytes[start + i] as number) - (stored[offset + i] as number);
      if (difference !== 0) return difference;
    }
    return given - length;
  }

  compareStored(
    leftSlab: number,
    leftOffset: number,
    leftLength: number,
    rightSlab: number,
    rightOffset: number,
    rightLength: number,
  ): number {
    const left = this.slab(leftSlab).bytes;
    const right = this.slab(rightSlab).bytes;
    const shared = Math.min(leftLength, rightLength);
    for (let i = 0; i < shared; i++) {
      const difference = (left[leftOffset + i] as number) - (right[rightOffset + i] as number);
      if (difference !== 0) return difference;
    }
    return leftLength - rightLength;
  }
}
