import type { Duplex } from 'node:stream';
import { ConnectionError, defaultFrameBytes, defaultWindowBytes, errorCodes, frameTypes } from './frames.ts';
import type { HeaderField } from './hpack/decoder.ts';
import { Output } from './output.ts';
import type { Http2Stream, StreamCarrier } from './stream.ts';
import { StreamTable } from './stream-table.ts';
import { WireWriter, widened } from './wire-writer.ts';

/** The sending half of a connection: its output, the windows that the other side gives, and who waits for them. */
export class Carrier implements StreamCarrier {
  readonly streams = new StreamTable();
  readonly writer: WireWriter;
  sendWindow = defaultWindowBytes;
  queuedBytes = 0;
  /** New streams may send so much before they hear of a window. */
  initialSendWindow = defaultWindowBytes;
  /** Called when a stream is over. */
  onFinished: () => void = () => {};
  readonly #output: Output;
  readonly #congestedBytes: number;
  readonly #maxAnswerBytes: number;
  readonly #onDrain: () => void;
  readonly #waitingForWindow = new Set<Http2Stream>();
  readonly #waitingForDrain = new Set<Http2Stream>();

  /**
   * Above `congestedBytes` that the socket holds, streams wait; above `maxAnswerBytes` that wait anywhere, large answers
   * are refused. `onDrain`: the socket holds less than before.
   */
  constructor(
    socket: Duplex,
    options: { congestedBytes: number; maxAnswerBytes: number; onDrain: () => void },
  ) {
    this.#output = new Output(socket, () => this.#drained());
    this.writer = new WireWriter(this.#output, defaultFrameBytes);
    this.#congestedBytes = options.congestedBytes;
    this.#maxAnswerBytes = options.maxAnswerBytes;
    this.#onDrain = options.onDrain;
  }

  get unsentBytes(): number {
    return this.#output.unsentBytes;
  }

  get sentBytes(): number {
    return this.#output.sentBytes;
  }

  get overfull(): boolean {
    return this.queuedBytes + this.#output.unsentBytes > this.#maxAnswerBytes;
  }

  get congested(): boolean {
    return this.#output.unsentBytes > this.#congestedBytes;
  }

  get maxFrameBytes(): number {
    return this.writer.maxFrameBytes;
  }

  writeHeaders(stream: number, fields: readonly HeaderField[], flags: number): void {
    this.writer.headers(stream, fields, flags);
  }

  writeData(stream: number, bytes: Uint8Array, from: number, to: number, flags: number): void {
    this.writer.data(stream, bytes, from, to, flags);
  }

  writeMessage(stream: number, message: Uint8Array): void {
    this.writer.message(stream, message);
  }

  writeReset(stream: number, code: number): void {
    this.writer.number(frameTypes.resetStream, stream, code);
  }

  writeWindowUpdate(stream: number, bytes: number): void {
    this.writer.number(frameTypes.windowUpdate, stream, bytes);
  }

  /** Who has no window of its own is left out: that of the connection does nothing for it, however often it is widened. */
  waitForWindow(stream: Http2Stream): void {
    if (stream.sendWindow > 0) this.#waitingForWindow.add(stream);
  }

  waitForDrain(stream: Http2Stream): void {
    this.#waitingForDrain.add(stream);
  }

  finished(stream: Http2Stream, resetByUs: boolean): void {
    this.streams.remove(stream.id, resetByUs);
    this.#waitingForWindow.delete(stream);
    this.#waitingForDrain.delete(stream);
    this.onFinished();
  }

  /** @throws ConnectionError when a window leaves its bounds (RFC 9113 §6.9.1) */
  widen(bytes: number): void {
    this.sendWindow = bounded(this.sendWindow, bytes);
    this.#pumpWaiting();
  }

  /** False: the stream's window leaves its bounds. */
  widenStream(stream: Http2Stream, bytes: number): boolean {
    const window = widened(stream.sendWindow, bytes);
    if (window === undefined) return false;
    stream.sendWindow = window;
    this.#pump(stream);
    return true;
  }

  /** Changes the windows of all streams by as much as that of new ones (§6.9.2). @throws ConnectionError */
  changeInitialWindow(bytes: number): void {
    const change = bytes - this.initialSendWindow;
    this.initialSendWindow = bytes;
    const streams = this.streams.all();
    for (const stream of streams) stream.sendWindow = bounded(stream.sendWindow, change);
    if (change > 0) for (const stream of streams) this.#pump(stream);
  }

  flush(): void {
    this.#output.flush();
  }

  /** Nothing is written any more. */
  close(): void {
    this.#output.close();
  }

  #pumpWaiting(): void {
    let left = this.#waitingForWindow.size;
    for (const stream of this.#waitingForWindow) {
      if (left === 0 || this.sendWindow <= 0) return;
      left -= 1;
      this.#pump(stream);
    }
  }

  /** Last in the row again, so that each has its turn. */
  #pump(stream: Http2Stream): void {
    this.#waitingForWindow.delete(stream);
    stream.pump();
    if (this.#waitingForDrain.delete(stream)) stream.review();
  }

  #drained(): void {
    this.#onDrain();
    if (this.#waitingForDrain.size === 0 || this.congested) return;
    // Who fills the socket again stands behind those that had no turn yet.
    for (const stream of [...this.#waitingForDrain]) {
      if (this.congested) return;
      this.#waitingForDrain.delete(stream);
      stream.review();
    }
  }
}

function bounded(window: number, bytes: number): number {
  const wider = widened(window, bytes);
  if (wider === undefined) throw new ConnectionError(errorCodes.flowControl, 'a window is too wide');
  return wider;
}
