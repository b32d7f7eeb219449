import type { Duplex } from 'node:stream';
import { Carrier } from './carrier.ts';
import { ControlFrames } from './control-frames.ts';
import { FrameReader } from './frame-reader.ts';
import {
  broken,
  ConnectionError,
  defaultWindowBytes,
  errorCodes,
  frameFlags,
  frameTypes,
  readUint31,
  settingIds,
  settingsPayload,
} from './frames.ts';
import { type Head, HeaderBlocks } from './header-blocks.ts';
import { Paces } from './paces.ts';
import { areTrailers, type RequestHead } from './request-head.ts';
import { Http2Stream } from './stream.ts';
import type { Http2Limits } from './types.ts';
import type { WireWriter } from './wire-writer.ts';

export interface ConnectionOptions {
  readonly limits: Http2Limits;
  readonly nowMs: () => number;
  /** Sets the stream's receiver, or ends the stream. `ended`: the request has no content. */
  readonly onRequest: (stream: Http2Stream, head: RequestHead, ended: boolean) => void;
  /** A request whose headers are larger than allowed. */
  readonly onTooLarge: (stream: Http2Stream) => void;
  /** The other side was sent away, and why. */
  readonly onError: (error: ConnectionError) => void;
}

/** What we let the other side send before it hears from us: on one stream, and on all of them. */
const streamWindowBytes = 256 * 1024;
const connectionWindowBytes = 4 * 1024 * 1024;

/**
 * One HTTP/2 connection, our side of RFC 9113: reads frames, keeps the state of the connection and its streams, and
 * hands requests out. A broken rule ends the connection with GOAWAY, or the stream with RST_STREAM where that is enough.
 */
export class Http2Connection {
  readonly #socket: Duplex;
  readonly #options: ConnectionOptions;
  readonly #carrier: Carrier;
  readonly #reader: FrameReader;
  readonly #blocks: HeaderBlocks;
  readonly #paces: Paces;
  #receiveWindow = connectionWindowBytes;
  #owed = 0;
  readonly #control: ControlFrames;
  /** The stream whose header block is not complete yet; 0: none. */
  #headersOf = 0;
  #headersEnd = false;
  #goingAway = false;
  #closed = false;
  #paused = false;

  constructor(socket: Duplex, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#carrier = new Carrier(socket, {
      congestedBytes: options.limits.maxUnsentBytes / 4,
      maxAnswerBytes: options.limits.maxAnswerBytes,
      onDrain: () => this.#drained(),
    });
    this.#carrier.onFinished = () => this.#endWhenDone();
    this.#reader = new FrameReader((...frame) => this.#frame(...frame));
    this.#blocks = new HeaderBlocks(options.limits);
    this.#paces = new Paces(options.limits, options.nowMs);
    this.#control = new ControlFrames(this.#carrier, this.#paces);
    socket.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    socket.once('close', () => this.#over());
    // Who says nothing more does not want answers either.
    socket.once('end', () => {
      this.#over();
      socket.end();
    });
    socket.resume();
    this.#greet();
  }

  /** The preface and the first settings have come. */
  get settled(): boolean {
    return this.#control.settled;
  }

  /** No new requests; those under way go on. The other side makes another connection for the next ones. */
  goAway(): void {
    if (this.#goingAway || this.#closed) return;
    this.#goingAway = true;
    this.#writer.goAway(this.#carrier.streams.last, errorCodes.none, '');
    this.#endWhenDone();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends the connection, saying why. */
  sendAway(reason: string): void {
    if (!this.#closed) this.#sendAway(new ConnectionError(errorCodes.enhanceYourCalm, reason));
  }

  ping(payload: Uint8Array): void {
    if (!this.#closed) this.#writer.frame(frameTypes.ping, 0, 0, payload);
  }

  get #writer(): WireWriter {
    return this.#carrier.writer;
  }

  #endWhenDone(): void {
    if (this.#goingAway && this.#carrier.streams.size === 0) this.#end();
  }

  /** Closes when what was said has left. */
  #end(): void {
    this.#carrier.flush();
    this.#socket.end();
  }

  #greet(): void {
    const { limits } = this.#options;
    const settings = settingsPayload([
      [settingIds.maxConcurrentStreams, limits.maxConcurrentStreams],
      [settingIds.initialWindowSize, streamWindowBytes],
      [settingIds.maxHeaderListSize, limits.maxHeaderListBytes],
    ]);
    this.#writer.frame(frameTypes.settings, 0, 0, settings);
    this.#carrier.writeWindowUpdate(0, connectionWindowBytes - defaultWindowBytes);
  }

  #receive(chunk: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return this.#sendAway(error);
    }
    if (!this.#paused && this.#carrier.unsentBytes > this.#options.limits.maxUnsentBytes) {
      this.#paused = true;
      this.#socket.pause();
    }
  }

  #drained(): void {
    if (this.#closed) return;
    if (this.#paused && this.#carrier.unsentBytes < this.#options.limits.maxUnsentBytes / 2) {
      this.#paused = false;
      this.#socket.resume();
    }
  }

  #sendAway(error: ConnectionError): void {
    this.#options.onError(error);
    // To one that never spoke HTTP/2, frames say nothing.
    if (this.#reader.greeted) this.#writer.goAway(this.#carrier.streams.last, error.code, error.message);
    this.#end();
    this.#over();
    // What it goes on saying is not looked at, but has to be read for the socket to end.
    this.#socket.resume();
  }

  #over(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of this.#carrier.streams.all()) stream.abort();
    this.#carrier.close();
  }

  #frame(type: number, flags: number, stream: number, bytes: Uint8Array, from: number, to: number): void {
    if (!this.#control.settled && type !== frameTypes.settings)
      throw broken('the first frame is not SETTINGS');
    if (this.#headersOf !== 0 && (type !== frameTypes.continuation || stream !== this.#headersOf)) {
      throw broken('a frame stands in the middle of a header block');
    }
    if (type === frameTypes.data) return this.#data(flags, stream, bytes, from, to);
    if (type === frameTypes.headers) return this.#headers(flags, stream, bytes, from, to);
    if (type === frameTypes.windowUpdate) return this.#control.windowUpdate(stream, bytes, from, to);
    if (type === frameTypes.continuation) return this.#continuation(flags, bytes.subarray(from, to));
    if (type === frameTypes.resetStream) return this.#control.resetStream(stream, from, to);
    if (type === frameTypes.pushPromise) throw broken('a client cannot push');
    this.#paces.idleFrame();
    if (type === frameTypes.settings) return this.#control.settings(flags, stream, bytes.subarray(from, to));
    if (type === frameTypes.ping) return this.#control.ping(flags, stream, bytes.subarray(from, to));
    if (type === frameTypes.priority) return this.#control.priority(stream, bytes, from, to);
    if (type === frameTypes.goAway && stream !== 0) throw broken('GOAWAY on a stream');
    // Unknown types are for extensions that we do not have (§5.5).
  }

  #headers(flags: number, id: number, bytes: Uint8Array, from: number, to: number): void {
    if (id === 0 || id % 2 === 0) throw broken(`HEADERS on stream ${id}`);
    let start = from;
    let padding = 0;
    if (flags & frameFlags.padded) {
      padding = (bytes[start] as number) ?? 0;
      start += 1;
    }
    if (flags & frameFlags.priority) {
      if (start + 5 <= to && readUint31(bytes, start) === id) throw broken('a stream depends on itself');
      start += 5;
    }
    if (start + padding > to) throw broken('the padding is longer than its frame');
    const end = to - padding;
    this.#headersEnd = (flags & frameFlags.endStream) !== 0;
    if (flags & frameFlags.endHeaders) return this.#headed(id, this.#blocks.decode(bytes, start, end));
    this.#headersOf = id;
    this.#blocks.add(bytes.subarray(start, end));
  }

  #continuation(flags: number, piece: Uint8Array): void {
    if (this.#headersOf === 0) throw broken('CONTINUATION without HEADERS');
    this.#blocks.add(piece);
    if ((flags & frameFlags.endHeaders) === 0) return;
    const id = this.#headersOf;
    this.#headersOf = 0;
    this.#headed(id, this.#blocks.finish());
  }

  #headed(id: number, head: Head): void {
    const ended = this.#headersEnd;
    const known = this.#carrier.streams.get(id);
    if (known !== undefined) return this.#trailers(known, head, ended);
    if (id <= this.#carrier.streams.last) {
      if (this.#carrier.streams.wasReset(id)) return;
      throw new ConnectionError(errorCodes.streamClosed, `HEADERS on stream ${id}, which is closed`);
    }
    if (this.#goingAway) return;
    const stream = new Http2Stream(id, this.#carrier, this.#carrier.initialSendWindow, streamWindowBytes);
    this.#carrier.streams.add(stream);
    const { limits, onRequest, onTooLarge } = this.#options;
    const full = this.#carrier.streams.size > limits.maxConcurrentStreams;
    if (full || this.#carrier.overfull) return stream.reset(errorCodes.refusedStream);
    stream.remoteEnded = ended;
    if (head.kind === 'too-large') return onTooLarge(stream);
    if (head.kind === 'malformed') return stream.reset(errorCodes.protocol);
    const { contentLength } = head.head;
    if (ended && contentLength !== undefined && contentLength > 0) return stream.reset(errorCodes.protocol);
    stream.expectedBytes = contentLength;
    onRequest(stream, head.head, ended);
  }

  /** Of a request: they end it, and nobody looks at them. */
  #trailers(stream: Http2Stream, head: Head, ended: boolean): void {
    if (stream.remoteEnded) return this.#control.abort(stream, errorCodes.streamClosed);
    const fit = head.kind === 'malformed' && areTrailers(head.fields);
    if (!ended || !fit) return this.#control.abort(stream, errorCodes.protocol);
    this.#deliver(stream, noContent, 0, 0, true);
  }

  #data(flags: number, id: number, bytes: Uint8Array, from: number, to: number): void {
    if (id === 0) throw broken('DATA on stream 0');
    this.#countReceived(to - from);
    const stream = this.#carrier.streams.get(id);
    if (stream === undefined) return this.#dataOfNone(id);
    if (stream.remoteEnded) return this.#control.abort(stream, errorCodes.streamClosed);
    let start = from;
    let end = to;
    if (flags & frameFlags.padded) {
      end -= (bytes[start] as number) ?? 0;
      start += 1;
      if (start > end) throw broken('the padding is longer than its frame');
    }
    stream.receiveWindow -= to - from;
    if (stream.receiveWindow < 0) return this.#control.abort(stream, errorCodes.flowControl);
    const ended = (flags & frameFlags.endStream) !== 0;
    if (start === end && !ended) this.#paces.idleFrame();
    this.#deliver(stream, bytes, start, end, ended);
  }

  #deliver(stream: Http2Stream, bytes: Uint8Array, from: number, to: number, ended: boolean): void {
    if (ended) stream.remoteEnded = true;
    if (stream.expectedBytes !== undefined) {
      stream.expectedBytes -= to - from;
      const wrong = stream.expectedBytes < 0 || (ended && stream.expectedBytes > 0);
      if (wrong) return this.#control.abort(stream, errorCodes.protocol);
    }
    stream.receiver?.data(bytes, from, to, ended);
  }

  #dataOfNone(id: number): void {
    if (id > this.#carrier.streams.last) throw broken(`DATA on stream ${id}, which was never opened`);
    if (this.#carrier.streams.wasReset(id)) return;
    throw new ConnectionError(errorCodes.streamClosed, `DATA on stream ${id}, which is closed`);
  }

  /** Streams bound what they hold themselves, so the connection's window is given back at once. */
  #countReceived(bytes: number): void {
    this.#receiveWindow -= bytes;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(errorCodes.flowControl, 'more content than the window allows');
    }
    this.#owed += bytes;
    if (this.#owed < connectionWindowBytes / 4) return;
    this.#carrier.writeWindowUpdate(0, this.#owed);
    this.#receiveWindow += this.#owed;
    this.#owed = 0;
  }
}

const noContent = new Uint8Array(0);
