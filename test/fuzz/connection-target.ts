import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { frameFlags, frameTypes, preface, settingIds } from '../../src/api/http2/frames.ts';
import { HeaderDecoder } from '../../src/api/http2/hpack/decoder.ts';
import { frameBytes, methodsFor, Seen } from '../../src/api/http2/testing.ts';
import { manualRuntime } from '../../src/runtime/testing.ts';
import type { FuzzTarget } from './fuzz.ts';
import { seeds } from './targets.ts';

type Server = Pick<typeof import('../../src/api/http2/server.ts'), 'Http2Server'>;

const { clock, timers } = manualRuntime();
const defaultWindow = 65_535;
/** No answer of these methods is larger, and no input has more calls. */
const mostSaidBytes = 64 * 2 ** 20;

interface Said {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** What the server writes is kept; what the client says is said by `emit`, so that whatever is thrown is seen here. */
class Socket extends Duplex {
  readonly written: Uint8Array[] = [];

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.written.push(Uint8Array.from(chunk));
    done();
  }
}

/**
 * Frames with any content, each as a type, flags, a stream, a length and so many bytes: nothing may be thrown, what
 * is answered keeps the rules of HTTP/2 and the windows, and nothing of the connection is left when it is closed.
 */
export function connectionTarget(folder: string, { Http2Server }: Server): FuzzTarget {
  const attempt = async (input: Uint8Array): Promise<string> => {
    const server = new Http2Server(methodsFor(new Seen()), {
      ...{ clock, timers, maxMessageBytes: 1 << 20 },
      limits: {
        resets: { burst: 5, perSecond: 1 },
        settings: { burst: 20, perSecond: 1 },
        maxHeaderFrames: 4,
      },
      causes: {
        cancelled: () => new Error('cancelled'),
        deadlineExceeded: () => new Error('late'),
        stopped: () => new Error('stopped'),
        tooLarge: (bytes) => new Error(`too large: ${bytes}`),
      },
      failed: (_path, error) => ({ code: 2, message: (error as Error).message }),
    });
    const socket = new Socket();
    server.accept(socket, 'test');
    const asked = framesIn(input);
    const frames = asked.map(({ type, flags, stream, payload }) => frameBytes(type, flags, stream, payload));
    const opening = frameBytes(frameTypes.settings, 0, 0, new Uint8Array(0));
    socket.emit('data', Buffer.concat([preface, opening, ...frames]));
    // Handlers answer, and answers leave.
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    const outcome = examined(Buffer.concat(socket.written), asked);
    socket.destroy();
    await new Promise(setImmediate);
    assert.equal(server.connectionCount, 0);
    return outcome;
  };
  return { sources: pathToFileURL(folder).href, seeds: seeds('connections'), maxBytes: 600, attempt };
}

function framesIn(input: Uint8Array): Said[] {
  const frames: Said[] = [];
  for (let at = 0; at + 4 <= input.length && frames.length < 60; ) {
    const [type = 0, flags = 0, stream = 0, length = 0] = input.subarray(at, at + 4);
    const payload = input.subarray(at + 4, at + 4 + length);
    frames.push({ type: type % 12, flags, stream: stream % 16, payload });
    at += 4 + payload.length;
  }
  return frames;
}

/** What was answered, in a few words. @throws where it breaks a rule */
function examined(bytes: Buffer, asked: readonly Said[]): string {
  assert.ok(bytes.length < mostSaidBytes, `${bytes.length} bytes were answered`);
  const decoder = new HeaderDecoder({ maxTableBytes: 4096, maxListBytes: 1 << 20 });
  const windows = new Windows(asked);
  const over = new Set<number>();
  const kinds = new Set<string>();
  let away = false;
  for (let at = 0; at < bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    assert.ok(end <= bytes.length, 'a frame was cut off');
    assert.ok(!away, 'something was said after the farewell');
    const [type, flags, stream] = [
      bytes.readUInt8(at + 3),
      bytes.readUInt8(at + 4),
      bytes.readUInt32BE(at + 5),
    ];
    const payload = bytes.subarray(at + 9, end);
    const ended = (flags & frameFlags.endStream) !== 0;
    const ofCall = type === frameTypes.data || type === frameTypes.headers;
    if (ofCall) assert.ok(!over.has(stream), `stream ${stream} was over`);
    if (type === frameTypes.data) windows.sent(stream, payload.length);
    if (type === frameTypes.headers) assert.ok('fields' in decoder.decode(payload));
    if ((ofCall && ended) || type === frameTypes.resetStream) over.add(stream);
    if (type === frameTypes.goAway) {
      away = payload.readUInt32BE(4) !== 0;
      kinds.add(`away ${payload.subarray(8).toString().replaceAll(/\d+/g, 'N')}`);
    } else if (type === frameTypes.resetStream) kinds.add(`reset ${payload.readUInt32BE(0)}`);
    else kinds.add(`${type}`);
    at = end;
  }
  return [...kinds].sort().join();
}

/** At most what the client may have let the server send, since it is not known which of it was in force when. */
class Windows {
  #connection = defaultWindow;
  #initial = defaultWindow;
  readonly #streams = new Map<number, number>();
  readonly #sent = new Map<number, number>();

  constructor(asked: readonly Said[]) {
    for (const { type, flags, stream, payload } of asked) {
      const view = Buffer.from(payload);
      if (type === frameTypes.windowUpdate && payload.length === 4) {
        const bytes = view.readUInt32BE(0) % 2 ** 31;
        if (stream === 0) this.#connection += bytes;
        else this.#streams.set(stream, (this.#streams.get(stream) ?? 0) + bytes);
      }
      if (type !== frameTypes.settings || (flags & frameFlags.ack) !== 0) continue;
      for (let at = 0; at + 6 <= payload.length; at += 6) {
        if (view.readUInt16BE(at) !== settingIds.initialWindowSize) continue;
        this.#initial = Math.max(this.#initial, view.readUInt32BE(at + 2));
      }
    }
  }

  sent(stream: number, bytes: number): void {
    this.#connection -= bytes;
    assert.ok(this.#connection >= 0, 'more was sent than the window of the connection allows');
    const all = (this.#sent.get(stream) ?? 0) + bytes;
    this.#sent.set(stream, all);
    const most = this.#initial + (this.#streams.get(stream) ?? 0);
    assert.ok(all <= most, `more was sent than the window of stream ${stream} allows`);
  }
}
