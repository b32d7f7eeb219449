import { ConclaveError } from '../../errors/index.ts';

/** Appends fixed-width little-endian numbers and byte strings to a growing buffer. */
export class FrameWriter {
  private buffer: Buffer;
  private length = 0;

  constructor(capacityBytes = 256) {
    this.buffer = Buffer.allocUnsafeSlow(capacityBytes);
  }

  private reserve(bytes: number): number {
    const offset = this.length;
    this.length += bytes;
    if (this.length > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.length));
      this.buffer.copy(grown, 0, 0, offset);
      this.buffer = grown;
    }
    return offset;
  }

  u8(value: number): this {
    const offset = this.reserve(1);
    this.buffer[offset] = value;
    return this;
  }

  u32(value: number): this {
    const offset = this.reserve(4);
    this.buffer.writeUInt32LE(value, offset);
    return this;
  }

  /** A whole number from 0 to 2^53 - 1. */
  u53(value: number): this {
    const offset = this.reserve(8);
    this.buffer.writeUInt32LE(value % 0x1_0000_0000, offset);
    this.buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
    return this;
  }

  f64(value: number): this {
    const offset = this.reserve(8);
    this.buffer.writeDoubleLE(value, offset);
    return this;
  }

  i64(value: bigint): this {
    const offset = this.reserve(8);
    this.buffer.writeBigInt64LE(value, offset);
    return this;
  }

  boolean(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  bytes(value: Uint8Array): this {
    this.u32(value.length);
    const offset = this.reserve(value.length);
    this.buffer.set(value, offset);
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'));
  }

  finish(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }
}

/** Reads what FrameWriter wrote. Throws ConclaveError 'invalid-argument' on a frame that is too short. */
export class FrameReader {
  private readonly buffer: Buffer;
  private offset = 0;

  constructor(data: Uint8Array) {
    this.buffer = Buffer.from(data.buffer, data.byteOffset, data.length);
  }

  private take(bytes: number): number {
    const offset = this.offset;
    if (offset + bytes > this.buffer.length) {
      throw new ConclaveError(
        'invalid-argument',
        `A peer frame ends early: ${bytes} bytes wanted at offset ${offset} of ${this.buffer.length}.`,
      );
    }
    this.offset = offset + bytes;
    return offset;
  }

  u8(): number {
    return this.buffer.readUInt8(this.take(1));
  }

  u32(): number {
    return this.buffer.readUInt32LE(this.take(4));
  }

  u53(): number {
    const offset = this.take(8);
    const high = this.buffer.readUInt32LE(offset + 4);
    if (high > 0x1f_ffff)
      throw new ConclaveError('invalid-argument', 'A number in a peer frame exceeds 2^53 - 1.');
    return high * 0x1_0000_0000 + this.buffer.readUInt32LE(offset);
  }

  f64(): number {
    return this.buffer.readDoubleLE(this.take(8));
  }

  i64(): bigint {
    return this.buffer.readBigInt64LE(this.take(8));
  }

  boolean(): boolean {
    return this.u8() === 1;
  }

  /** A view into the frame: copy what is kept. */
  bytes(): Uint8Array {
    const length = this.u32();
    const offset = this.take(length);
    // A plain Uint8Array: a Buffer's slice() would be a view again, not a copy.
    return new Uint8Array(this.buffer.buffer, this.buffer.byteOffset + offset, length);
  }

  text(): string {
    return Buffer.from(this.bytes()).toString('utf8');
  }

  get remainingBytes(): number {
    return this.buffer.length - this.offset;
  }
}
