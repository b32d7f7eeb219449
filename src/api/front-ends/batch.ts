/** A batch is sent no later than when it has grown to this; its buffer is kept unless it grew by a large message. */
const fullBytes = 64 * 1024;
const firstBytes = 2 * fullBytes;
const largestKept = 4 * fullBytes;

/**
 * Gathers what one thread has to tell another, as records one after the other, little-endian. Each batch begins with when
 * it was sent. `send` gets a buffer of its own; `later` is given what sends a batch that is not full.
 */
export class BatchWriter {
  readonly #send: (batch: ArrayBuffer) => void;
  readonly #later: (flush: () => void) => void;
  readonly #nowMs: () => number;
  #buffer: Buffer<ArrayBuffer> = Buffer.allocUnsafeSlow(firstBytes);
  #view = new DataView(this.#buffer.buffer);
  #used = headBytes;
  #asked = false;

  constructor(options: {
    send: (batch: ArrayBuffer) => void;
    later: (flush: () => void) => void;
    nowMs: () => number;
  }) {
    this.#send = options.send;
    this.#later = options.later;
    this.#nowMs = options.nowMs;
  }

  /** Begins a record, which takes up to `bytes`; a full batch leaves before it. */
  begin(kind: number, bytes: number): void {
    if (this.#used >= fullBytes) this.flush();
    const needed = this.#used + bytes + 1;
    if (needed > this.#buffer.length) this.#grow(needed);
    if (!this.#asked) {
      this.#asked = true;
      this.#later(() => this.flush());
    }
    this.byte(kind);
  }

  byte(value: number): void {
    this.#buffer[this.#used++] = value;
  }

  /** 0 to 2^32 - 1. */
  whole(value: number): void {
    this.#view.setUint32(this.#used, value, true);
    this.#used += 4;
  }

  number(value: number): void {
    this.#view.setFloat64(this.#used, value, true);
    this.#used += 8;
  }

  bytes(value: Uint8Array): void {
    this.whole(value.length);
    this.#buffer.set(value, this.#used);
    this.#used += value.length;
  }

  /** Takes up to `maxTextBytes(value)`. */
  text(value: string): void {
    const length = this.#buffer.write(value, this.#used + 4);
    this.whole(length);
    this.#used += length;
  }

  /** Sends what there is at once. */
  flush(): void {
    this.#asked = false;
    if (this.#used === headBytes) return;
    this.#view.setFloat64(0, this.#nowMs(), true);
    const batch = this.#buffer.buffer.slice(0, this.#used);
    this.#used = headBytes;
    if (this.#buffer.length > largestKept) this.#use(Buffer.allocUnsafeSlow(firstBytes));
    this.#send(batch);
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#used));
    this.#use(grown);
  }

  #use(buffer: Buffer<ArrayBuffer>): void {
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer);
  }
}

const headBytes = 8;

export function maxTextBytes(text: string): number {
  return 4 + text.length * 3;
}

/** Messages below this part of their batch are copied out of it: one that waits must not keep the whole. */
const copiedBelow = 1 / 2;

/** Reads what a `BatchWriter` wrote. */
export class BatchReader {
  readonly #buffer: Buffer;
  readonly #view: DataView;
  #at = headBytes;

  constructor(batch: ArrayBuffer) {
    this.#buffer = Buffer.from(batch);
    this.#view = new DataView(batch);
  }

  get sentAtMs(): number {
    return this.#view.getFloat64(0, true);
  }

  get more(): boolean {
    return this.#at < this.#buffer.length;
  }

  byte(): number {
    return this.#buffer[this.#at++] as number;
  }

  whole(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  number(): number {
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  /** A view of the batch, for what is used at once. */
  bytes(): Uint8Array {
    const length = this.whole();
    const from = this.#at;
    this.#at += length;
    return this.#buffer.subarray(from, this.#at);
  }

  /** For what may be kept. */
  keptBytes(): Uint8Array {
    const view = this.bytes();
    return view.length < this.#buffer.length * copiedBelow ? new Uint8Array(view) : view;
  }

  /** For what may be kept for as long as a call waits: that of others beside it in a full batch, but no large message. */
  callBytes(): Uint8Array {
    return this.#buffer.length > firstBytes ? this.keptBytes() : this.bytes();
  }

  text(): string {
    const length = this.whole();
    const from = this.#at;
    this.#at += length;
    return this.#buffer.toString('utf8', from, this.#at);
  }
}
