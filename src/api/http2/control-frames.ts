import type { Carrier } from './carrier.ts';
import { broken, ConnectionError, errorCodes, frameFlags, frameTypes, readUint31 } from './frames.ts';
import type { Paces } from './paces.ts';
import { readSettings } from './settings.ts';
import type { Http2Stream } from './stream.ts';

/** The frames that carry no request: settings, windows, pings, resets, priorities. What breaks a rule is thrown. */
export class ControlFrames {
  readonly #carrier: Carrier;
  readonly #paces: Paces;
  #settled = false;

  constructor(carrier: Carrier, paces: Paces) {
    this.#carrier = carrier;
    this.#paces = paces;
  }

  /** The first settings have come. */
  get settled(): boolean {
    return this.#settled;
  }

  /** The other side broke a rule on one stream: as good a way to be rid of a call as a reset. */
  abort(stream: Http2Stream, code: number): void {
    this.#paces.reset();
    stream.reset(code);
    stream.receiver?.aborted();
  }

  windowUpdate(id: number, bytes: Uint8Array, from: number, to: number): void {
    if (to - from !== 4) throw wrongSize('WINDOW_UPDATE');
    const increment = readUint31(bytes, from);
    if (id === 0) {
      if (increment === 0) throw broken('a window is widened by nothing');
      return this.#carrier.widen(increment);
    }
    const stream = this.#carrier.streams.get(id);
    if (stream === undefined) {
      if (id > this.#carrier.streams.last)
        throw broken(`WINDOW_UPDATE on stream ${id}, which was never opened`);
      return;
    }
    if (increment === 0) return this.abort(stream, errorCodes.protocol);
    if (!this.#carrier.widenStream(stream, increment)) this.abort(stream, errorCodes.flowControl);
  }

  resetStream(id: number, from: number, to: number): void {
    if (to - from !== 4) throw wrongSize('RST_STREAM');
    if (id === 0 || id > this.#carrier.streams.last)
      throw broken(`RST_STREAM on stream ${id}, which was never opened`);
    this.#paces.reset();
    this.#carrier.streams.get(id)?.abort();
  }

  settings(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) throw broken('SETTINGS on a stream');
    if (flags & frameFlags.ack) {
      if (payload.length > 0) throw wrongSize('SETTINGS');
      if (!this.#settled) throw broken('the first frame is an acknowledgement');
      return;
    }
    this.#paces.settings();
    const settings = readSettings(payload);
    this.#settled = true;
    // Before what the settings set free, which they have to be known for.
    this.#carrier.writer.frame(frameTypes.settings, frameFlags.ack, 0, noContent);
    if (settings.headerTableBytes !== undefined)
      this.#carrier.writer.limitHeaderTable(settings.headerTableBytes);
    if (settings.maxFrameBytes !== undefined) this.#carrier.writer.maxFrameBytes = settings.maxFrameBytes;
    if (settings.initialWindowBytes !== undefined)
      this.#carrier.changeInitialWindow(settings.initialWindowBytes);
  }

  ping(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) throw broken('PING on a stream');
    if (payload.length !== 8) throw wrongSize('PING');
    if (flags & frameFlags.ack) return;
    const { streams, sentBytes } = this.#carrier;
    this.#paces.ping(streams.size, sentBytes);
    this.#carrier.writer.frame(frameTypes.ping, frameFlags.ack, 0, payload);
  }

  priority(id: number, bytes: Uint8Array, from: number, to: number): void {
    if (id === 0) throw broken('PRIORITY on stream 0');
    const stream = this.#carrier.streams.get(id);
    if (to - from !== 5) {
      if (stream === undefined) throw wrongSize('PRIORITY');
      return this.abort(stream, errorCodes.frameSize);
    }
    if (readUint31(bytes, from) === id) throw broken('a stream depends on itself');
  }
}

const noContent = new Uint8Array(0);

function wrongSize(frame: string): ConnectionError {
  return new ConnectionError(errorCodes.frameSize, `a ${frame} frame of the wrong size`);
}
