import {
  ConnectionError,
  defaultFrameBytes,
  errorCodes,
  frameHeadBytes,
  preface,
  readUint31,
} from './frames.ts';

/** Gets the frames of one connection. The content is a view that may be kept; `from` to `to` of `bytes`. */
export type FrameListener = (
  type: number,
  flags: number,
  stream: number,
  bytes: Uint8Array,
  from: number,
  to: number,
) => void;

/** Splits what a socket gives into frames, wherever it was cut. Holds at most one frame. */
export class FrameReader {
  readonly #onFrame: FrameListener;
  #rest: Uint8Array | undefined;
  #greeted = false;

  constructor(onFrame: FrameListener) {
    this.#onFrame = onFrame;
  }

  /** True when the preface has come. */
  get greeted(): boolean {
    return this.#greeted;
  }

  /** @throws ConnectionError what the listener throws, and for a frame that is too long or a wrong preface. */
  push(chunk: Uint8Array): void {
    const bytes = this.#rest === undefined ? chunk : joined(this.#rest, chunk);
    this.#rest = undefined;
    let at = 0;
    if (!this.#greeted) {
      if (!isPreface(bytes))
        throw new ConnectionError(errorCodes.protocol, 'the preface is not that of HTTP/2');
      if (bytes.length < preface.length) {
        this.#rest = bytes;
        return;
      }
      this.#greeted = true;
      at = preface.length;
    }
    while (bytes.length - at >= frameHeadBytes) {
      const length =
        ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
      if (length > defaultFrameBytes) {
        throw new ConnectionError(
          errorCodes.frameSize,
          `a frame has ${length} of ${defaultFrameBytes} bytes`,
        );
      }
      const from = at + frameHeadBytes;
      if (bytes.length - from < length) break;
      const stream = readUint31(bytes, at + 5);
      this.#onFrame(bytes[at + 3] as number, bytes[at + 4] as number, stream, bytes, from, from + length);
      at = from + length;
    }
    if (at < bytes.length) this.#rest = at === 0 ? bytes : bytes.subarray(at);
  }
}

export function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** Whether it can still become the preface. */
function isPreface(bytes: Uint8Array): boolean {
  const length = Math.min(bytes.length, preface.length);
  for (let at = 0; at < length; at++) if (bytes[at] !== preface[at]) return false;
  return true;
}
