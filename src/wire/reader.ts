import { WireError } from './error.ts';

const TWO_32 = 0x1_0000_0000;
const MAX_DEPTH = 100;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads protobuf. Every method throws WireError on input that ends early or is malformed.
 * `bytes()` returns a view of the input, not a copy, and always a plain Uint8Array, also over a Buffer.
 */
export class BinaryReader {
  readonly len: number;
  pos = 0;
  private readonly buf: Uint8Array;
  private depth = 0;
  private low = 0;
  private high = 0;

  constructor(buf: Uint8Array) {
    this.buf =
      buf.constructor === Uint8Array ? buf : new Uint8Array(buf.buffer, buf.byteOffset, buf.byteLength);
    this.len = buf.byteLength;
  }

  /** Opens a message of `length` bytes, or of all that is left; returns where it ends. */
  enter(length: number | undefined): number {
    const end = length === undefined ? this.len : this.pos + length;
    if (end > this.len) throw new WireError('message is cut short');
    this.depth += 1;
    if (this.depth > MAX_DEPTH) throw new WireError('messages are nested too deeply');
    return end;
  }

  leave(end: number): void {
    if (this.pos !== end) throw new WireError('a field reaches beyond its message');
    this.depth -= 1;
  }

  uint32(): number {
    const first = this.pos < this.len ? (this.buf[this.pos] as number) : 0x80;
    if (first < 0x80) {
      this.pos += 1;
      return first;
    }
    this.varint64();
    return this.low;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    this.varint64();
    return this.low !== 0 || this.high !== 0;
  }

  int64(): bigint {
    this.varint64();
    const high = this.high | 0;
    if (high === 0 || high === -1) return BigInt(high * TWO_32 + this.low);
    return (BigInt(high) << 32n) | BigInt(this.low);
  }

  uint64(): bigint {
    this.varint64();
    if (this.high < 0x200000) return BigInt(this.high * TWO_32 + this.low);
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  int64Number(): number {
    this.varint64();
    return safe((this.high | 0) * TWO_32 + this.low);
  }

  uint64Number(): number {
    this.varint64();
    return safe(this.high * TWO_32 + this.low);
  }

  double(): number {
    const start = this.advance(8);
    return new DataView(this.buf.buffer, this.buf.byteOffset + start, 8).getFloat64(0, true);
  }

  bytes(): Uint8Array {
    const length = this.uint32();
    const start = this.advance(length);
    return this.buf.subarray(start, start + length);
  }

  string(): string {
    const length = this.uint32();
    const start = this.advance(length);
    const end = start + length;
    if (length <= 24) {
      let text = '';
      let at = start;
      for (; at < end; at++) {
        const code = this.buf[at] as number;
        if (code >= 0x80) break;
        text += String.fromCharCode(code);
      }
      if (at === end) return text;
    }
    try {
      return utf8.decode(this.buf.subarray(start, end));
    } catch {
      throw new WireError('a string is not valid UTF-8');
    }
  }

  /** Passes over the field that `tag` opened. */
  skip(tag: number): void {
    if (tag >>> 3 === 0) throw new WireError('field number 0');
    let open = 0;
    let wireType = tag & 7;
    for (;;) {
      if (wireType === 0) this.varint64();
      else if (wireType === 1) this.advance(8);
      else if (wireType === 2) this.advance(this.uint32());
      else if (wireType === 3) open += 1;
      else if (wireType === 4 && open > 0) open -= 1;
      else if (wireType === 5) this.advance(4);
      else throw new WireError(`wire type ${wireType} is not expected here`);
      if (open === 0) return;
      wireType = this.uint32() & 7;
    }
  }

  private advance(length: number): number {
    const start = this.pos;
    if (length > this.len - start) throw new WireError('message is cut short');
    this.pos = start + length;
    return start;
  }

  /** Leaves the value in `low` and `high`, each 0 to 2^32 - 1. */
  private varint64(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.len) throw new WireError('message is cut short');
      const byte = this.buf[this.pos++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else if (byte > 1) break;
      else high |= bits << 31;
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw new WireError('a varint is longer than 64 bits');
  }
}

function safe(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new WireError('a 64-bit number is larger than Number.MAX_SAFE_INTEGER');
}
