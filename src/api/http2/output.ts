import type { Duplex } from 'node:stream';

const firstBytes = 4096;
/** Above this a piece is handed over as it is instead of being copied. */
const largePiece = 32 * 1024;
/** Buffers of this size at most are used again. */
const largestKept = 256 * 1024;

/**
 * What one connection has to say, gathered until all that the current event set off has been said, and then written
 * at once: one system call for each connection and turn of the loop, however many answers there are.
 */
export class Output {
  readonly #socket: Duplex;
  readonly #onDrain: () => void;
  #buffer: Buffer = Buffer.allocUnsafe(firstBytes);
  #used = 0;
  #asked = false;
  #spare: Buffer | undefined;
  #unwritten = 0;
  #handedOver = 0;
  #closed = false;

  /** `onDrain`: some of what waited in the socket was taken by the other side. */
  constructor(socket: Duplex, onDrain: () => void) {
    this.#socket = socket;
    this.#onDrain = onDrain;
  }

  /** Bytes that the other side has not taken from us. */
  get unsentBytes(): number {
    return this.#used + this.#unwritten;
  }

  /** All that was ever said. */
  get sentBytes(): number {
    return this.#handedOver + this.#used;
  }

  /** Room for `bytes` at `position` of `buffer`, to be filled at once. */
  reserve(bytes: number): number {
    if (this.#used + bytes > this.#buffer.length) this.#grow(bytes);
    const position = this.#used;
    this.#used += bytes;
    if (!this.#asked) {
      this.#asked = true;
      // Runs when the promises that are settled now have had their turn, and before anything else happens.
      process.nextTick(() => this.flush());
    }
    return position;
  }

  get buffer(): Uint8Array {
    return this.#buffer;
  }

  /** Appends a piece; a large one without copying: it must not change any more. */
  append(piece: Uint8Array): void {
    if (piece.length < largePiece) {
      const at = this.reserve(piece.length);
      this.#buffer.set(piece, at);
      return;
    }
    this.flush();
    this.#write(piece, undefined);
  }

  flush(): void {
    this.#asked = false;
    if (this.#used === 0 || this.#closed) return;
    const buffer = this.#buffer;
    const used = this.#used;
    this.#buffer = this.#spare ?? Buffer.allocUnsafe(Math.min(buffer.length, largestKept));
    this.#spare = undefined;
    this.#used = 0;
    this.#write(buffer.subarray(0, used), buffer);
  }

  /** Nothing is written any more. */
  close(): void {
    this.#closed = true;
  }

  #write(bytes: Uint8Array, reusable: Buffer | undefined): void {
    if (this.#closed) return;
    this.#unwritten += bytes.length;
    this.#handedOver += bytes.length;
    this.#socket.write(bytes, () => {
      this.#unwritten -= bytes.length;
      if (reusable !== undefined && reusable.length <= largestKept) this.#spare ??= reusable;
      this.#onDrain();
    });
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#used + bytes));
    grown.set(this.#buffer.subarray(0, this.#used));
    this.#buffer = grown;
  }
}
