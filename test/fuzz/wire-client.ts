import * as net from 'node:net';
import { frameFlags, frameTypes, settingIds, settingsPayload } from '../../src/api/http2/frames.ts';
import { HeaderDecoder } from '../../src/api/http2/hpack/decoder.ts';
import { frameBytes } from '../../src/api/http2/testing.ts';

/** What became of one call. */
export interface WireAnswer {
  readonly messages: readonly string[];
  readonly code: string;
  readonly text: string;
  /** The server gave it up, with this code of HTTP/2. */
  readonly reset: number | undefined;
}

interface Receiving {
  readonly content: Buffer[];
  readonly fields: Map<string, string>;
  reset: number | undefined;
  over: boolean;
}

/** Says what it is told to say on one connection, and collects what the server answers, whatever it is. */
export class WireClient {
  readonly #socket: net.Socket;
  readonly #decoder = new HeaderDecoder({ maxTableBytes: 65_536, maxListBytes: 1 << 20 });
  readonly #calls = new Map<number, Receiving>();
  #rest: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};
  /** Before, what is written might stand in the middle of a frame. */
  #said = false;
  readonly #owed: Uint8Array[] = [];
  /** Code and text of GOAWAY, or that the connection ended without one. */
  ended: string | undefined;
  pongs = 0;

  constructor(port: number) {
    this.#socket = net.connect(port, '127.0.0.1');
    this.#socket.setNoDelay();
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.ended ??= 'closed';
      this.#wake();
    });
  }

  async say(pieces: readonly Uint8Array[]): Promise<void> {
    for (const piece of pieces) {
      this.#socket.write(piece);
      // A turn of the loop of its own for each piece.
      await new Promise(setImmediate);
    }
    this.#said = true;
    for (const frame of this.#owed) this.#socket.write(frame);
  }

  /** Lets everything come that was held back by a window. */
  widen(streams: readonly number[]): void {
    const much = Uint8Array.of(0x10, 0, 0, 0);
    const wide = settingsPayload([[settingIds.initialWindowSize, 2 ** 30]]);
    this.#socket.write(frameBytes(frameTypes.settings, 0, 0, wide));
    for (const stream of [0, ...streams]) {
      this.#socket.write(frameBytes(frameTypes.windowUpdate, 0, stream, much));
    }
  }

  /** Resolves with the answer of the call on that stream, or with how the connection ended before it. */
  async answer(stream: number): Promise<WireAnswer | string> {
    const call = this.#call(stream);
    while (!call.over) {
      if (this.ended !== undefined) return this.ended;
      await new Promise<void>((resolve) => {
        const before = this.#wake;
        this.#wake = () => {
          before();
          resolve();
        };
      });
    }
    const code = call.fields.get('grpc-status') ?? '';
    return {
      messages: messagesIn(Buffer.concat(call.content)),
      code,
      // grpc-js says OK even there.
      text: code === '0' ? '' : decodeURIComponent(call.fields.get('grpc-message') ?? ''),
      reset: call.reset,
    };
  }

  close(): void {
    this.#socket.destroy();
  }

  #call(stream: number): Receiving {
    const known = this.#calls.get(stream);
    if (known !== undefined) return known;
    const call: Receiving = { content: [], fields: new Map(), reset: undefined, over: false };
    this.#calls.set(stream, call);
    return call;
  }

  #read(chunk: Buffer): void {
    let bytes = Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 9) {
      const end = 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < end) break;
      this.#frame(
        bytes.readUInt8(3),
        bytes.readUInt8(4),
        bytes.readUInt32BE(5),
        Buffer.from(bytes.subarray(9, end)),
      );
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
    const wake = this.#wake;
    this.#wake = () => {};
    wake();
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): void {
    if (type === frameTypes.goAway) {
      // One without an error says farewell, and calls go on.
      if (payload.readUInt32BE(4) !== 0)
        this.ended ??= `GOAWAY ${payload.readUInt32BE(4)} ${payload.subarray(8)}`;
    } else if (type === frameTypes.settings && (flags & frameFlags.ack) === 0) {
      const acknowledged = frameBytes(frameTypes.settings, frameFlags.ack, 0, new Uint8Array(0));
      if (this.#said) this.#socket.write(acknowledged);
      else this.#owed.push(acknowledged);
    } else if (type === frameTypes.ping && (flags & frameFlags.ack) !== 0) this.pongs += 1;
    else if (type === frameTypes.data) this.#call(stream).content.push(payload);
    else if (type === frameTypes.headers) this.#headers(stream, payload);
    else if (type === frameTypes.resetStream) this.#reset(stream, payload.readUInt32BE(0));
    if ((type === frameTypes.data || type === frameTypes.headers) && (flags & frameFlags.endStream) !== 0) {
      this.#call(stream).over = true;
    }
  }

  #headers(stream: number, payload: Buffer): void {
    const decoded = this.#decoder.decode(payload);
    if (!('fields' in decoded)) throw new Error('headers of an answer are too large');
    for (const [name, value] of decoded.fields) this.#call(stream).fields.set(name, value);
  }

  /** After the end it only says that no more is wanted. */
  #reset(stream: number, code: number): void {
    const call = this.#call(stream);
    if (call.over) return;
    call.reset = code;
    call.over = true;
  }
}

function messagesIn(content: Buffer): string[] {
  const messages: string[] = [];
  for (let at = 0; at + 5 <= content.length; ) {
    const end = at + 5 + content.readUInt32BE(at + 1);
    messages.push(`${end - at - 5} of ${content[at + 5]}${end > content.length ? ', cut off' : ''}`);
    at = end;
  }
  return messages;
}
