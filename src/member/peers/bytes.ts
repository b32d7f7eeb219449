import { ConclaveError } from '../../errors/index.ts';
import { Slab } from '../slab.ts';

const word = 0x1_0000_0000;
/** Turns numbers that are not whole, or longer than 53 bits, into bytes and back. */
const scratch = new DataView(new ArrayBuffer(8));
/** Of frames: they live until they are written. */
const frames = new Slab();
/** Of what is kept of received frames. */
const kept = new Slab();

/** Appends fixed-width little-endian numbers and byte strings to a growing buffer. */
export class FrameWriter {
  private buffer: Uint8Array;
  private length = 0;

  constructor(capacityBytes = 256) {
    this.buffer = frames.take(capacityBytes);
  }

  private reserve(bytes: number): number {
    const offset = this.length;
    this.length += bytes;
    if (this.length > this.buffer.length) {
      const grown = frames.take(Math.max(this.buffer.length * 2, this.length));
      grown.set(this.buffer.subarray(0, offset));
      this.buffer = grown;
    }
    return offset;
  }

  /** Makes room for `count` bytes that are filled in later, with `at`. */
  skip(count: number): this {
    this.reserve(count);
    return this;
  }

  get writtenBytes(): number {
    return this.length;
  }

  /** Writes what follows at `offset`, over what stands there. */
  at(offset: number): this {
    this.length = offset;
    return this;
  }

  u8(value: number): this {
    const offset = this.reserve(1);
    this.buffer[offset] = value;
    return this;
  }

  u32(value: number): this {
    this.putWord(this.reserve(4), value);
    return this;
  }

  /** A whole number from 0 to 2^53 - 1. */
  u53(value: number): this {
    const offset = this.reserve(8);
    this.putWord(offset, value);
    this.putWord(offset + 4, value < word ? 0 : Math.floor(value / word));
    return this;
  }

  f64(value: number): this {
    scratch.setFloat64(0, value, true);
    return this.putScratch();
  }

  i64(value: bigint): this {
    scratch.setBigInt64(0, value, true);
    return this.putScratch();
  }

  private putScratch(): this {
    const offset = this.reserve(8);
    this.putWord(offset, scratch.getUint32(0, true));
    this.putWord(offset + 4, scratch.getUint32(4, true));
    return this;
  }

  /** The low 32 bits. By hand: a view for each short-lived buffer would cost more than the stores. */
  private putWord(offset: number, value: number): void {
    const { buffer } = this;
    buffer[offset] = value;
    buffer[offset + 1] = value >>> 8;
    buffer[offset + 2] = value >>> 16;
    buffer[offset + 3] = value >>> 24;
  }

  boolean(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  bytes(value: Uint8Array): this {
    this.u32(value.length);
    const offset = this.reserve(value.length);
    if (value.length > 0) this.buffer.set(value, offset);
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'));
  }

  finish(): Uint8Array {
    return this.length === this.buffer.length ? this.buffer : this.buffer.subarray(0, this.length);
  }
}

/** Reads data[start, end), which FrameWriter wrote. Throws ConclaveError 'invalid-argument' on a frame that is too short. */
export class FrameReader {
  private readonly data: Uint8Array;
  private readonly end: number;
  private offset: number;

  constructor(data: Uint8Array, start = 0, end = data.length) {
    this.data = data;
    this.offset = start;
    this.end = end;
  }

  private take(bytes: number): number {
    const offset = this.offset;
    if (offset + bytes > this.end) {
      throw new ConclaveError(
        'invalid-argument',
        `A peer frame ends early: ${bytes} bytes wanted at offset ${offset} of ${this.end}.`,
      );
    }
    this.offset = offset + bytes;
    return offset;
  }

  u8(): number {
    return this.data[this.take(1)] as number;
  }

  u32(): number {
    return wordAt(this.data, this.take(4));
  }

  u53(): number {
    const offset = this.take(8);
    const high = wordAt(this.data, offset + 4);
    if (high > 0x1f_ffff)
      throw new ConclaveError('invalid-argument', 'A number in a peer frame exceeds 2^53 - 1.');
    return high * word + wordAt(this.data, offset);
  }

  f64(): number {
    this.takeScratch();
    return scratch.getFloat64(0, true);
  }

  i64(): bigint {
    this.takeScratch();
    return scratch.getBigInt64(0, true);
  }

  private takeScratch(): void {
    const offset = this.take(8);
    scratch.setUint32(0, wordAt(this.data, offset), true);
    scratch.setUint32(4, wordAt(this.data, offset + 4), true);
  }

  boolean(): boolean {
    return this.u8() === 1;
  }

  /** A view into the frame: copy what is kept. */
  bytes(): Uint8Array {
    const length = this.u32();
    const offset = this.take(length);
    // A plain Uint8Array: a Buffer's slice() would be a view again, not a copy.
    return new Uint8Array(this.data.buffer, this.data.byteOffset + offset, length);
  }

  /** As `bytes`, to be kept. */
  copiedBytes(): Uint8Array {
    const length = this.u32();
    const offset = this.take(length);
    return kept.copy(this.data, offset, offset + length);
  }

  /** Goes past what `bytes` would read. */
  skipBytes(): void {
    this.take(this.u32());
  }

  text(): string {
    return Buffer.from(this.bytes()).toString('utf8');
  }

  get remainingBytes(): number {
    return this.end - this.offset;
  }
}

/** The 32-bit number at `offset`, little-endian. */
export function wordAt(data: Uint8Array, offset: number): number {
  const low =
    (data[offset] as number) | ((data[offset + 1] as number) << 8) | ((data[offset + 2] as number) << 16);
  return low + (data[offset + 3] as number) * 0x100_0000;
}
