import { WireError } from './error.ts';

const TWO_32 = 0x1_0000_0000;
const KEEP_AT_MOST = 1 << 16;
const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();
let spare: Uint8Array | undefined = new Uint8Array(4096);

/** Writes protobuf. `finish()` returns a copy of its own; the writer is then empty again. */
export class BinaryWriter {
  private buf: Uint8Array;
  private pos = 0;
  private readonly forks: number[] = [];

  constructor() {
    this.buf = spare ?? EMPTY;
    spare = undefined;
  }

  finish(): Uint8Array {
    const result = this.buf.slice(0, this.pos);
    if (this.buf.length > 0 && this.buf.length <= KEEP_AT_MOST) spare = this.buf;
    this.buf = EMPTY;
    this.pos = 0;
    return result;
  }

  uint32(value: number): this {
    this.room(5);
    this.varint32(value);
    return this;
  }

  int32(value: number): this {
    if (value >= 0) return this.uint32(value);
    return this.int64(value);
  }

  bool(value: boolean): this {
    this.room(1);
    this.buf[this.pos++] = value ? 1 : 0;
    return this;
  }

  int64(value: number | bigint): this {
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value)) throw new WireError(`${value} is no safe integer`);
      this.pair(value >>> 0, Math.floor(value / TWO_32) >>> 0);
    } else {
      if (BigInt.asIntN(64, value) !== value) throw new WireError(`${value} does not fit in 64 bits`);
      this.pair(Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n)));
    }
    return this;
  }

  uint64(value: number | bigint): this {
    if (value < 0) throw new WireError(`${value} is negative`);
    if (typeof value === 'number') return this.int64(value);
    if (BigInt.asUintN(64, value) !== value) throw new WireError(`${value} does not fit in 64 bits`);
    this.pair(Number(BigInt.asUintN(32, value)), Number(value >> 32n));
    return this;
  }

  double(value: number): this {
    this.room(8);
    new DataView(this.buf.buffer, this.buf.byteOffset + this.pos, 8).setFloat64(0, value, true);
    this.pos += 8;
    return this;
  }

  bytes(value: Uint8Array): this {
    const length = value.length;
    this.room(length + 5);
    this.varint32(length);
    if (length <= 32) {
      for (let at = 0; at < length; at++) this.buf[this.pos + at] = value[at] as number;
    } else {
      this.buf.set(value, this.pos);
    }
    this.pos += length;
    return this;
  }

  string(value: string): this {
    const length = value.length;
    this.room(length * 3 + 5);
    if (length <= 24) {
      const start = this.pos + 1;
      let at = 0;
      for (; at < length; at++) {
        const code = value.charCodeAt(at);
        if (code >= 0x80) break;
        this.buf[start + at] = code;
      }
      if (at === length) {
        this.buf[this.pos] = length;
        this.pos = start + length;
        return this;
      }
    }
    this.fork();
    this.pos += encoder.encodeInto(value, this.buf.subarray(this.pos)).written;
    return this.join();
  }

  /** What follows, up to `join()`, is one length-prefixed field. */
  fork(): this {
    this.room(1);
    this.forks.push(this.pos);
    this.pos += 1;
    return this;
  }

  join(): this {
    const start = this.forks.pop();
    if (start === undefined) throw new WireError('join without fork');
    const length = this.pos - start - 1;
    if (length < 0x80) {
      this.buf[start] = length;
      return this;
    }
    const extra = length < 0x4000 ? 1 : length < 0x200000 ? 2 : length < 0x10000000 ? 3 : 4;
    this.room(extra);
    this.buf.copyWithin(start + 1 + extra, start + 1, this.pos);
    this.pos = start;
    this.varint32(length);
    this.pos += length;
    return this;
  }

  private varint32(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.buf[this.pos++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buf[this.pos++] = rest;
  }

  private pair(low: number, high: number): void {
    this.room(10);
    let lo = low;
    let hi = high;
    while (hi > 0) {
      this.buf[this.pos++] = (lo & 0x7f) | 0x80;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    this.varint32(lo);
  }

  private room(extra: number): void {
    const need = this.pos + extra;
    if (need <= this.buf.length) return;
    const larger = new Uint8Array(Math.max(need, this.buf.length * 2, 1024));
    larger.set(this.buf.subarray(0, this.pos));
    this.buf = larger;
  }
}
