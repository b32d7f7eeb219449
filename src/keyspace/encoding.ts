/** Little building blocks of the binary formats: varints, length-prefixed bytes, 64-bit ids. */
import { emptyBytes } from './bytes.ts';
import { InvariantViolation, MalformedData } from './errors.ts';

/** Beyond this, comparing with a revision gives the same answer as at it, so encoders clamp signed numbers here. */
const signedLimit = 2 ** 52 - 1;

/** A writer that is used again keeps at most this much. */
const keptBytes = 1 << 20;

/** Two 32-bit halves seen as one 64-bit number: much cheaper than bigint arithmetic. */
const whole = new BigInt64Array(1);
const halves = new Uint32Array(whole.buffer);
whole[0] = 1n;
const lowHalf = halves[0] === 1 ? 0 : 1;

/** Grows as needed; `finish` gives a copy of exactly what was written and makes the writer empty again. */
export class Writer {
  private buffer: Uint8Array;
  length = 0;

  constructor(initialBytes = 256) {
    this.buffer = new Uint8Array(initialBytes);
  }

  private reserve(size: number): void {
    const needed = this.length + size;
    if (needed <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }

  byte(value: number): void {
    if (this.length === this.buffer.length) this.reserve(1);
    this.buffer[this.length++] = value;
  }

  boolean(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  /** A whole number from 0 to 2^53 - 1, 7 bits a byte, low bits first. */
  varint(value: number): void {
    if (value >= 0 && value < 0x80 && Number.isInteger(value)) {
      this.byte(value);
      return;
    }
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new InvariantViolation(`Cannot encode ${value}: a whole number from 0 to 2^53 - 1 is wanted.`);
    }
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest & 0x7f) | 0x80;
      rest = rest < 0x8000_0000 ? rest >>> 7 : Math.floor(rest / 128);
    }
    this.buffer[this.length++] = rest;
  }

  /** A whole number of either sign, clamped to 52 bits. */
  signed(value: number): void {
    const clamped = Math.max(-signedLimit, Math.min(signedLimit, value));
    this.varint(clamped < 0 ? -clamped * 2 - 1 : clamped * 2);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    if (bytes.length <= 32) {
      for (let i = 0; i < bytes.length; i++) this.buffer[this.length + i] = bytes[i] as number;
    } else {
      this.buffer.set(bytes, this.length);
    }
    this.length += bytes.length;
  }

  /** Length and content. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** Length and content of source[start, end), without a view of it. */
  part(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > 128) return this.bytes(source.subarray(start, end));
    this.varint(length);
    this.reserve(length);
    const { buffer } = this;
    const at = this.length;
    for (let i = 0; i < length; i++) buffer[at + i] = source[start + i] as number;
    this.length = at + length;
  }

  /** 8 bytes, low first. */
  int64(value: bigint): void {
    whole[0] = value;
    if (whole[0] !== value) {
      throw new InvariantViolation(`Cannot encode ${value}: a signed 64-bit id is wanted.`);
    }
    this.uint32(halves[lowHalf] as number);
    this.uint32(halves[1 - lowHalf] as number);
  }

  uint32(value: number): void {
    this.reserve(4);
    this.buffer[this.length++] = value & 0xff;
    this.buffer[this.length++] = (value >>> 8) & 0xff;
    this.buffer[this.length++] = (value >>> 16) & 0xff;
    this.buffer[this.length++] = value >>> 24;
  }

  /** Overwrites 4 bytes written before, for lengths and checksums that are known only afterwards. */
  setUint32(at: number, value: number): void {
    this.buffer[at] = value & 0xff;
    this.buffer[at + 1] = (value >>> 8) & 0xff;
    this.buffer[at + 2] = (value >>> 16) & 0xff;
    this.buffer[at + 3] = value >>> 24;
  }

  /** What was written so far; valid until the next call on this writer. */
  written(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** Puts what was written there, and is empty again. */
  moveInto(target: Uint8Array, start: number): void {
    const { buffer, length } = this;
    // A view costs more than a short loop.
    if (length > 128) target.set(buffer.subarray(0, length), start);
    else for (let i = 0; i < length; i++) target[start + i] = buffer[i] as number;
    this.length = 0;
  }

  finish(): Uint8Array {
    const result = this.buffer.slice(0, this.length);
    this.length = 0;
    if (this.buffer.length > keptBytes) this.buffer = new Uint8Array(256);
    return result;
  }
}

/** Reads bytes[position, end) and throws MalformedData instead of reading past the end. */
export class Reader {
  readonly data: Uint8Array;
  position: number;
  end: number;

  constructor(data: Uint8Array, position = 0, end = data.length) {
    this.data = data;
    this.position = position;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  byte(): number {
    if (this.position >= this.end) throw new MalformedData('The data ends in the middle of a field.');
    return this.data[this.position++] as number;
  }

  boolean(): boolean {
    const value = this.byte();
    if (value > 1) throw new MalformedData(`Byte ${value} stands where 0 or 1 is wanted.`);
    return value === 1;
  }

  varint(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let unit = 128;
    for (let size = 2; size <= 8; size++) {
      const next = this.byte();
      value += (next & 0x7f) * unit;
      if (next < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      unit *= 128;
    }
    throw new MalformedData('A number is larger than 2^53 - 1.');
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  /** A count of items that take at least one byte each: bounded by what is left, so no absurd allocation. */
  count(): number {
    const value = this.varint();
    if (value > this.remaining) {
      throw new MalformedData(`A list claims ${value} items, but only ${this.remaining} bytes are left.`);
    }
    return value;
  }

  /** A view of the data, not a copy. */
  bytes(): Uint8Array {
    const start = this.skipBytes();
    return this.position === start ? emptyBytes : this.data.subarray(start, this.position);
  }

  /** Passes over what `bytes` would give a view of, and gives where that begins; it ends at the new position. */
  skipBytes(): number {
    const length = this.varint();
    const start = this.position;
    if (length > this.end - start) throw this.tooShort(length);
    this.position = start + length;
    return start;
  }

  private tooShort(claimed: number): MalformedData {
    return new MalformedData(`A field claims ${claimed} bytes, but only ${this.remaining} are left.`);
  }

  uint32(): number {
    const low = this.byte() | (this.byte() << 8) | (this.byte() << 16);
    return (low | (this.byte() << 24)) >>> 0;
  }

  int64(): bigint {
    halves[lowHalf] = this.uint32();
    halves[1 - lowHalf] = this.uint32();
    return whole[0] as bigint;
  }

  expectEnd(what: string): void {
    if (this.position !== this.end) {
      throw new MalformedData(`${this.remaining} bytes are left over after ${what}.`);
    }
  }
}
