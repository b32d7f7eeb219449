import { errorCodes, frameFlags } from './frames.ts';
import type { HeaderField } from './hpack/decoder.ts';

/** gRPC's head of a message: one byte that tells of compression, four of length. */
export const messageHeadBytes = 5;

/** Whoever serves a stream hears of it by this. Must not throw. */
export interface StreamReceiver {
  /** More content: `from` to `to` of `bytes`, a view that may be kept. `end`: nothing comes after it. */
  data(bytes: Uint8Array, from: number, to: number, end: boolean): void;
  /** The other side reset it, or the connection went. Nothing can be sent any more. */
  aborted(): void;
  /** After a `send` that answered false: there is room again. */
  drained(): void;
}

/** What a stream needs of its connection. */
export interface StreamCarrier {
  /** What may be sent on all streams together. */
  sendWindow: number;
  /** Bytes that wait in streams for a window. */
  queuedBytes: number;
  readonly congested: boolean;
  /** So much waits to be read that no large answer may be added. */
  readonly overfull: boolean;
  readonly maxFrameBytes: number;
  writeHeaders(stream: number, fields: readonly HeaderField[], flags: number): void;
  writeData(stream: number, bytes: Uint8Array, from: number, to: number, flags: number): void;
  writeMessage(stream: number, message: Uint8Array): void;
  writeReset(stream: number, code: number): void;
  writeWindowUpdate(stream: number, bytes: number): void;
  waitForWindow(stream: Http2Stream): void;
  waitForDrain(stream: Http2Stream): void;
  /** Both sides have ended it, or one has reset it. */
  finished(stream: Http2Stream, resetByUs: boolean): void;
}

/** A call that sends this much more than the other side takes has to wait. */
const queueBytes = 64 * 1024;

/** Messages of so many bytes, requests and answers, are bounded by the number of calls. */
export const uncountedBytes = 16 * 1024;

/** Messages of so much, and more, keep alive no more than themselves. */
const ownBytes = 4096;

const nothing = new Uint8Array(0);

/** One exchange. It sends in order, as much as the windows of the stream and of its connection allow. */
export class Http2Stream {
  readonly id: number;
  sendWindow: number;
  receiveWindow: number;
  /** All of the request has come. */
  remoteEnded = false;
  receiver: StreamReceiver | undefined;
  /** Of the request's content so far, where its length was told. */
  expectedBytes: number | undefined;
  readonly #carrier: StreamCarrier;
  /** Made when the first piece has to wait, which of most answers none does. */
  #queue: Uint8Array[] | undefined;
  #queuedBytes = 0;
  #sentOfFirst = 0;
  #trailers: readonly HeaderField[] | undefined;
  #closed = false;
  #owed = 0;

  constructor(id: number, carrier: StreamCarrier, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.#carrier = carrier;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  sendHeaders(fields: readonly HeaderField[]): void {
    if (!this.#closed) this.#carrier.writeHeaders(this.id, fields, frameFlags.endHeaders);
  }

  /** An answer without content: headers that are trailers too. */
  sendOnlyHeaders(fields: readonly HeaderField[]): void {
    if (this.#closed) return;
    this.#carrier.writeHeaders(this.id, fields, frameFlags.endHeaders | frameFlags.endStream);
    this.#ended();
  }

  /** A message with its head. False: wait for `drained` before the next one. It must not change any more. */
  sendMessage(message: Uint8Array): boolean {
    const length = message.length + messageHeadBytes;
    const carrier = this.#carrier;
    const free = this.#queuedBytes === 0 && this.sendWindow >= length && carrier.sendWindow >= length;
    if (free && length <= carrier.maxFrameBytes && !this.#closed) {
      this.sendWindow -= length;
      carrier.sendWindow -= length;
      carrier.writeMessage(this.id, message);
      return this.#hasRoom();
    }
    const head = new Uint8Array(messageHeadBytes);
    new DataView(head.buffer).setUint32(1, message.length);
    this.send(head);
    return this.send(withoutOthers(message));
  }

  /** Whether one more answer of that size may wait here: the other side reads nothing, and has too many already. */
  takes(bytes: number): boolean {
    return bytes <= uncountedBytes || !this.#carrier.overfull;
  }

  /** Content. False: wait for `drained`. It must not change any more. */
  send(bytes: Uint8Array): boolean {
    if (this.#closed) return true;
    this.#queue ??= [];
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#carrier.queuedBytes += bytes.length;
    this.pump();
    return this.#hasRoom();
  }

  /** The end, after whatever waits. No fields: none are sent. */
  sendTrailers(fields: readonly HeaderField[]): void {
    if (this.#closed) return;
    this.#trailers = fields;
    this.pump();
  }

  /** Ends it at once; what waits is not sent. */
  reset(code: number): void {
    if (this.#closed) return;
    this.#carrier.writeReset(this.id, code);
    this.#finish(true);
  }

  /** The other side ended it or the connection went. */
  abort(): void {
    if (this.#closed) return;
    this.#finish(false);
    this.receiver?.aborted();
  }

  /** Received content was used: the other side may send as much again. */
  consumed(bytes: number): void {
    if (this.#closed || this.remoteEnded) return;
    this.#owed += bytes;
    if (this.#owed < queueBytes) return;
    this.#carrier.writeWindowUpdate(this.id, this.#owed);
    this.receiveWindow += this.#owed;
    this.#owed = 0;
  }

  /**
   * Sends what the windows allow now, and what the socket holds of it: the windows may be as large as any answer. Asks to be
   * called again where they are in the way.
   */
  pump(): void {
    const carrier = this.#carrier;
    const queue = this.#queue;
    while (queue !== undefined && queue.length > 0) {
      if (carrier.congested) {
        carrier.waitForDrain(this);
        return;
      }
      const first = queue[0] as Uint8Array;
      const left = first.length - this.#sentOfFirst;
      const bytes = left && Math.min(left, this.sendWindow, carrier.sendWindow, carrier.maxFrameBytes);
      if (bytes <= 0 && left > 0) {
        carrier.waitForWindow(this);
        return;
      }
      if (left > 0) carrier.writeData(this.id, first, this.#sentOfFirst, this.#sentOfFirst + bytes, 0);
      this.sendWindow -= bytes;
      carrier.sendWindow -= bytes;
      this.#queuedBytes -= bytes;
      carrier.queuedBytes -= bytes;
      this.#sentOfFirst += bytes;
      if (this.#sentOfFirst < first.length) continue;
      queue.shift();
      this.#sentOfFirst = 0;
    }
    if (this.#trailers === undefined) return;
    const trailers = this.#trailers;
    this.#trailers = undefined;
    if (trailers.length === 0) carrier.writeData(this.id, nothing, 0, 0, frameFlags.endStream);
    else carrier.writeHeaders(this.id, trailers, frameFlags.endHeaders | frameFlags.endStream);
    this.#ended();
  }

  /** Goes on after the socket held too much. */
  review(): void {
    if (this.#queue !== undefined && this.#queue.length > 0) this.pump();
    if (!this.#closed && this.#hasRoom()) this.receiver?.drained();
  }

  #hasRoom(): boolean {
    if (this.#closed || (this.#queuedBytes < queueBytes && !this.#carrier.congested)) return true;
    this.#carrier.waitForDrain(this);
    return false;
  }

  /** Our side is over. Where the other one is not, it need not go on either (RFC 9113 §8.1). */
  #ended(): void {
    if (!this.remoteEnded) this.#carrier.writeReset(this.id, errorCodes.none);
    this.#finish(!this.remoteEnded);
  }

  #finish(resetByUs: boolean): void {
    this.#closed = true;
    this.#carrier.queuedBytes -= this.#queuedBytes;
    this.#queuedBytes = 0;
    this.#queue = undefined;
    this.#trailers = undefined;
    this.#carrier.finished(this, resetByUs);
  }
}

/** Short messages are parts of larger arrays: one that waits would keep all of that alive, for as long as nobody reads it. */
function withoutOthers(message: Uint8Array): Uint8Array {
  return message.length <= ownBytes && message.buffer.byteLength > 2 * ownBytes
    ? new Uint8Array(message)
    : message;
}
