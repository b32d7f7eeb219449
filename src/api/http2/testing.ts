import { type Duplex, duplexPair } from 'node:stream';
import { manualRuntime } from '../../runtime/testing.ts';
import {
  frameFlags,
  frameHeadBytes,
  frameTypes,
  preface,
  settingsPayload,
  writeFrameHead,
} from './frames.ts';
import { HeaderDecoder, type HeaderField } from './hpack/decoder.ts';
import { HeaderEncoder } from './hpack/encoder.ts';
import type { HttpExchange } from './http-exchange.ts';
import { Http2Server } from './server.ts';
import type { Http2Limits, RpcContext, RpcMethod } from './types.ts';

/** For tests: methods that echo and count, a server of them without sockets, and a client that may say anything. */

const identity = { decode: (bytes: Uint8Array) => bytes, encode: (answer: unknown) => answer as Uint8Array };
type Context = RpcContext<string>;

/** What the handlers of one server have seen. */
export class Seen {
  started = 0;
  finished = 0;
  readonly aborts: unknown[] = [];
  /** Handlers of '/t/Wait' end when this is called. */
  release: () => void = () => {};
}

export function methodsFor(seen: Seen): Map<string, RpcMethod<string>> {
  const watched = (context: Context): void => {
    seen.started += 1;
    context.signal.addEventListener('abort', () => seen.aborts.push(context.signal.reason));
  };
  const released = new Promise<void>((resolve) => {
    seen.release = resolve;
  });
  return new Map<string, RpcMethod<string>>([
    ['/t/Echo', { ...identity, shape: 'unary', handler: async (request) => request }],
    [
      '/t/Fail',
      {
        ...identity,
        shape: 'unary',
        handler: async () => {
          throw new Error('it is 100 % broken: ü');
        },
      },
    ],
    [
      '/t/Wait',
      {
        ...identity,
        shape: 'unary',
        handler: async (request, context) => {
          watched(context);
          await released;
          seen.finished += 1;
          return request;
        },
      },
    ],
    [
      '/t/Many',
      {
        ...identity,
        shape: 'server-stream',
        // As many messages as the first byte says, each with as many bytes as the next two say.
        handler: (request, context) => {
          watched(context);
          return asyncly(manyOf(request as Uint8Array, seen));
        },
      },
    ],
    [
      '/t/Ready',
      {
        ...identity,
        shape: 'server-stream',
        // The same, all but the first without waiting.
        handler: (request, context) => {
          watched(context);
          const many = manyOf(request as Uint8Array, seen);
          return { [Symbol.asyncIterator]: () => asyncly(many), takeReady: () => many.next().value };
        },
      },
    ],
    [
      '/t/EchoAll',
      {
        ...identity,
        shape: 'duplex',
        handler: async function* (requests, context) {
          watched(context);
          for await (const request of requests) yield request;
        },
      },
    ],
  ]);
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
  /** Of HEADERS. */
  readonly fields: readonly HeaderField[];
}

function* manyOf([count = 0, high = 0, low = 0]: Uint8Array, seen: Seen): Generator<Uint8Array, undefined> {
  for (let sent = 0; sent < count; sent++) {
    yield new Uint8Array(high * 256 + low).fill(sent);
    seen.finished += 1;
  }
}

async function* asyncly(answers: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* answers;
}

/** A server and one raw connection to it. Time stands still unless the test moves it. */
export class Rig {
  readonly seen = new Seen();
  readonly runtime = manualRuntime();
  readonly server: Http2Server<string>;
  readonly client: Duplex;
  readonly refusals: string[] = [];
  readonly #frames: Frame[] = [];
  readonly #encoder = new HeaderEncoder([]);
  readonly #decoder = new HeaderDecoder({ maxTableBytes: 4096, maxListBytes: 1 << 20 });
  #rest: Uint8Array = new Uint8Array(0);
  #waiters: (() => void)[] = [];
  closed = false;

  constructor(
    options: {
      limits?: Partial<Http2Limits>;
      maxMessageBytes?: number;
      greet?: boolean;
      beside?: Rig;
      onHttp?: (exchange: HttpExchange) => Promise<void>;
    } = {},
  ) {
    this.server =
      options.beside?.server ??
      new Http2Server(methodsFor(this.seen), {
        ...{ clock: this.runtime.clock, timers: this.runtime.timers },
        // Time stands still here: any two pings are at once.
        limits: { keepAliveMinTimeMs: 0, ...options.limits },
        maxMessageBytes: options.maxMessageBytes ?? 1 << 20,
        ...(options.onHttp && { onHttp: options.onHttp }),
        causes: {
          cancelled: () => new Error('cancelled'),
          deadlineExceeded: () => new Error('late'),
          stopped: () => new Error('stopped'),
          tooLarge: (bytes) => new Error(`too large: ${bytes}`),
        },
        failed: (_path, error) => ({ code: 2, message: (error as Error).message }),
        refused: (_connection, error) => this.refusals.push(error.message),
      });
    const [client, socket] = duplexPair();
    this.client = client;
    client.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    client.on('error', () => {});
    for (const event of ['end', 'close']) {
      client.on(event, () => {
        this.closed = true;
        this.#wake();
      });
    }
    this.server.accept(socket, 'test');
    if (options.greet !== false) this.greet();
  }

  /** The preface and settings, which may give windows of another size. */
  greet(settings: readonly (readonly [number, number])[] = []): void {
    this.client.write(preface);
    this.send(frameTypes.settings, 0, 0, settingsPayload(settings));
  }

  send(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array(0)): void {
    this.client.write(frameBytes(type, flags, stream, payload));
  }

  block(path: string, more: readonly HeaderField[] = [], type = 'application/grpc'): Uint8Array {
    return this.#encoder.encode([
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', path],
      ['content-type', type],
      ['te', 'trailers'],
      ...more,
    ]);
  }

  /** Opens a call; with a message, it is the whole request. */
  call(stream: number, path: string, message?: Uint8Array, more: readonly HeaderField[] = []): void {
    this.send(frameTypes.headers, frameFlags.endHeaders, stream, this.block(path, more));
    if (message !== undefined) this.send(frameTypes.data, frameFlags.endStream, stream, framed(message));
  }

  /** The next frame that is not SETTINGS or WINDOW_UPDATE; undefined when the connection is over. */
  async next(wanted?: (frame: Frame) => boolean): Promise<Frame | undefined> {
    const quiet: readonly number[] = [frameTypes.settings, frameTypes.windowUpdate];
    for (;;) {
      const at = this.#frames.findIndex((frame) => wanted?.(frame) ?? !quiet.includes(frame.type));
      const [frame] = at < 0 ? [] : this.#frames.splice(at, 1);
      if (frame !== undefined || this.closed) return frame;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  /** All that a call answered: its messages and its last headers. */
  async answer(stream: number): Promise<{ messages: Uint8Array[]; trailers: Map<string, string> }> {
    const content: Uint8Array[] = [];
    for (;;) {
      const frame = await this.next((one) => one.stream === stream && one.type !== frameTypes.windowUpdate);
      if (frame === undefined) throw new Error('the connection is over');
      if (frame.type === frameTypes.resetStream) throw new Error(`reset: ${frame.payload[3]}`);
      if (frame.type === frameTypes.data) content.push(frame.payload);
      if (frame.type !== frameTypes.headers) continue;
      if (frame.flags & frameFlags.endStream) {
        return { messages: messagesIn(Buffer.concat(content)), trailers: new Map(frame.fields) };
      }
    }
  }

  /** Answered by an equal one after all that was sent before has been read. */
  async ping(): Promise<boolean> {
    this.send(frameTypes.ping, 0, 0, new Uint8Array(8).fill(7));
    return (await this.next((frame) => frame.type === frameTypes.ping)) !== undefined;
  }

  /** The code of the GOAWAY that ended the connection. */
  async sentAway(): Promise<number | undefined> {
    const frame = await this.next((one) => one.type === frameTypes.goAway);
    return frame?.payload[7];
  }

  #receive(chunk: Uint8Array): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= frameHeadBytes) {
      const length = bytes.readUIntBE(at, 3);
      const end = at + frameHeadBytes + length;
      if (end > bytes.length) break;
      const payload = Uint8Array.from(bytes.subarray(at + frameHeadBytes, end));
      const head = { type: bytes.readUInt8(at + 3), flags: bytes.readUInt8(at + 4) };
      // In the order in which they came, whatever order they are looked at in.
      const decoded = head.type === frameTypes.headers ? this.#decoder.decode(payload) : { fields: [] };
      const fields = 'fields' in decoded ? decoded.fields : [];
      this.#frames.push({ ...head, stream: bytes.readUInt32BE(at + 5), payload, fields });
      at = end;
    }
    this.#rest = bytes.subarray(at);
    this.#wake();
  }
}

export function frameBytes(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(frameHeadBytes + payload.length);
  bytes.set(payload, writeFrameHead(bytes, 0, payload.length, type, flags, stream));
  return bytes;
}

/** A message as gRPC frames it. */
export function framed(message: Uint8Array, compressed = 0): Uint8Array {
  const bytes = Buffer.alloc(5 + message.length);
  bytes[0] = compressed;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

function messagesIn(content: Buffer): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 0; at < content.length; ) {
    const end = at + 5 + content.readUInt32BE(at + 1);
    messages.push(Uint8Array.from(content.subarray(at + 5, end)));
    at = end;
  }
  return messages;
}
