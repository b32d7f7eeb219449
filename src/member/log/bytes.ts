/**
 * Numbers in stored bytes: little-endian, whole, and never above 2^53. Shared by the log and by snapshot files.
 */

import { Slab } from '../slab.ts';
import { crc32 } from './crc32.ts';

const word = 2 ** 32;
/** Of what is kept of the bytes that were read. */
const kept = new Slab();
const keptBytes = 4 * 1024 * 1024;

/** Appends to a byte array that grows, and that is used again after `clear`. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  length = 0;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Begins anew, without holding on to the memory of an exceptionally long content. */
  clear(): void {
    this.length = 0;
    if (this.#bytes.length <= keptBytes) return;
    this.#bytes = new Uint8Array(keptBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Makes room for `count` bytes and returns where they begin. */
  skip(count: number): number {
    const start = this.length;
    this.length += count;
    if (this.length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, start));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return start;
  }

  byte(value: number): void {
    const at = this.skip(1);
    this.#view.setUint8(at, value);
  }

  word(value: number): void {
    const at = this.skip(4);
    this.#view.setUint32(at, value, true);
  }

  number(value: number): void {
    const at = this.skip(8);
    this.#view.setUint32(at, value % word, true);
    this.#view.setUint32(at + 4, value / word, true);
  }

  data(bytes: Uint8Array): void {
    const at = this.skip(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Changes a word written before. */
  setWord(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** The CRC of what was written from `start` to `end`. */
  checksum(start: number, end: number, crc = 0): number {
    return crc32(this.#bytes, start, end, crc);
  }

  /** A view of what was written: valid until the next call. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

/** Thrown where stored bytes that passed their checksum do not make sense. */
export class MalformedBytes extends Error {}

/** Reads what `ByteWriter` wrote, by hand: a `DataView` for each of so many short reads would cost more than they. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  at: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.at = start;
    this.#end = Math.min(end, bytes.length);
  }

  get left(): number {
    return this.#end - this.at;
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  word(): number {
    return wordAt(this.#bytes, this.#take(4));
  }

  number(): number {
    const at = this.#take(8);
    const value = wordAt(this.#bytes, at) + wordAt(this.#bytes, at + 4) * word;
    if (value > Number.MAX_SAFE_INTEGER) throw new MalformedBytes('a number above 2^53');
    return value;
  }

  /** A view, not a copy. */
  data(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A copy, to be kept. */
  copiedData(length: number): Uint8Array {
    const at = this.#take(length);
    return kept.copy(this.#bytes, at, at + length);
  }

  #take(count: number): number {
    const at = this.at;
    if (count > this.#end - at) throw new MalformedBytes('fewer bytes than announced');
    this.at = at + count;
    return at;
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  const upper = ((bytes[at + 3] as number) << 8) | (bytes[at + 2] as number);
  return ((upper << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at] as number)) >>> 0;
}
