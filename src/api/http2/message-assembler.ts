import { readUint32 } from './frames.ts';
import { messageHeadBytes } from './stream.ts';

export interface Message {
  readonly compressed: boolean;
  readonly bytes: Uint8Array;
}

/** Views into larger buffers than this are worth a copy. */
const largestCarriedBytes = 4096;

/** The message for one who keeps it, and would keep alive with it all else that one read of the socket brought. */
export function detached(message: Message): Message {
  const { compressed, bytes } = message;
  const carriedBytes = bytes.buffer.byteLength;
  if (carriedBytes <= largestCarriedBytes || carriedBytes < bytes.length * 4) return message;
  return { compressed, bytes: new Uint8Array(bytes) };
}

/** What a message begins with; it grows as its content comes, since a length alone costs the sender nothing. */
const firstBytes = 1024;

/** Puts the messages of one direction of a call together, wherever their frames were cut. */
export class MessageAssembler {
  readonly #head = new Uint8Array(messageHeadBytes);
  readonly #maxBytes: number;
  #headBytes = 0;
  #length = 0;
  #content: Uint8Array | undefined;
  #filled = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of a message that is not complete. */
  get partialBytes(): number {
    return this.#headBytes + this.#filled;
  }

  /** Set when a message was announced that is larger than allowed: nothing more can be read. */
  tooLarge: number | undefined;

  /** Calls `onMessage` for each message that `bytes` completes. */
  push(bytes: Uint8Array, from: number, to: number, onMessage: (message: Message) => void): void {
    let at = from;
    while (at < to && this.tooLarge === undefined) {
      if (this.#headBytes < messageHeadBytes) {
        if (this.#headBytes === 0 && this.#whole(bytes, at, to)) {
          const length = readUint32(bytes, at + 1);
          const end = at + messageHeadBytes + length;
          onMessage({ compressed: bytes[at] !== 0, bytes: bytes.subarray(at + messageHeadBytes, end) });
          at = end;
          continue;
        }
        at = this.#takeHead(bytes, at, to);
        if (this.#headBytes < messageHeadBytes || this.tooLarge !== undefined) return;
      }
      at = this.#takeContent(bytes, at, to);
      if (this.#filled === this.#length) onMessage(this.#complete());
    }
  }

  #whole(bytes: Uint8Array, at: number, to: number): boolean {
    if (to - at < messageHeadBytes) return false;
    const length = readUint32(bytes, at + 1);
    return length <= this.#maxBytes && to - at - messageHeadBytes >= length;
  }

  #takeHead(bytes: Uint8Array, from: number, to: number): number {
    const end = Math.min(to, from + messageHeadBytes - this.#headBytes);
    this.#head.set(bytes.subarray(from, end), this.#headBytes);
    this.#headBytes += end - from;
    if (this.#headBytes === messageHeadBytes) {
      this.#length = readUint32(this.#head, 1);
      if (this.#length > this.#maxBytes) this.tooLarge = this.#length;
      this.#filled = 0;
    }
    return end;
  }

  #takeContent(bytes: Uint8Array, from: number, to: number): number {
    const end = Math.min(to, from + this.#length - this.#filled);
    const needed = this.#filled + end - from;
    if (this.#content === undefined || this.#content.length < needed) this.#grow(needed);
    this.#content?.set(bytes.subarray(from, end), this.#filled);
    this.#filled = needed;
    return end;
  }

  #grow(needed: number): void {
    const doubled = Math.max(needed, firstBytes, (this.#content?.length ?? 0) * 2);
    const grown = new Uint8Array(Math.min(this.#length, doubled));
    if (this.#content !== undefined) grown.set(this.#content.subarray(0, this.#filled));
    this.#content = grown;
  }

  #complete(): Message {
    const bytes = this.#content ?? new Uint8Array(0);
    const compressed = this.#head[0] !== 0;
    this.#headBytes = 0;
    this.#content = undefined;
    this.#filled = 0;
    return { compressed, bytes };
  }
}
