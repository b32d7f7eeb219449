/**
 * Many watches of one prefix, as a process of its own: node watch-load.ts URLS CONNECTIONS WATCHES PREFIX. Each
 * connection has one stream with its share of the watches. HTTP/2 is read by hand, so that what is measured is the
 * server and not this side of it. Prints "ready" when all watches are created; when a line with the number of writes
 * comes on stdin it waits for the events of all of them, or for silence, and prints what came as JSON.
 *
 * Values of written keys are the writer's monotonic clock in nanoseconds, which processes of one host share.
 */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { WatchCreateRequest, WatchRequest, WatchResponse } from '../src/wire/index.ts';

const silenceMs = 10_000;
const largestWindow = 2 ** 31 - 1;
const frameType = { data: 0, headers: 1, settings: 4, ping: 6 } as const;

function frame(type: number, flags: number, stream: number, content: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(content.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, content]);
}

/** A header field that is not compressed: its name by a number of the static table, or as it is. */
function field(name: number | string, value: string): Buffer {
  const text = (words: string) => Buffer.concat([Buffer.from([words.length]), Buffer.from(words)]);
  if (typeof name === 'string') return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
  const index = name < 15 ? [name] : [15, name - 15];
  return Buffer.concat([Buffer.from(index), text(value)]);
}

function message(content: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}

function opening(host: string): Buffer {
  const settings = Buffer.alloc(6);
  settings.writeUInt16BE(4, 0);
  settings.writeUInt32BE(largestWindow, 2);
  const window = Buffer.alloc(4);
  window.writeUInt32BE(largestWindow - 65_535);
  const headers = Buffer.concat([
    Buffer.from([0x83, 0x86]),
    field(4, '/etcdserverpb.Watch/Watch'),
    field(1, host),
    field(31, 'application/grpc'),
    field('te', 'trailers'),
  ]);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(frameType.settings, 0, 0, settings),
    frame(8, 0, 0, window),
    frame(frameType.headers, 4, 1, headers),
  ]);
}

class Connection {
  created = 0;
  events = 0;
  readonly latenciesMs: number[] = [];
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #messages: Buffer = Buffer.alloc(0);

  constructor(url: string, watches: number, prefix: string) {
    const { hostname, port, host } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    this.#socket.setNoDelay();
    this.#socket.write(opening(host));
    const key = Buffer.from(prefix);
    const rangeEnd = Buffer.from(key);
    rangeEnd[key.length - 1] = (rangeEnd[key.length - 1] as number) + 1;
    const create = { $case: 'createRequest' as const, value: WatchCreateRequest.create({ key, rangeEnd }) };
    const request = message(WatchRequest.encode({ requestUnion: create }).finish());
    for (let at = 0; at < watches; at++) this.#socket.write(frame(frameType.data, 0, 1, request));
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('error', (error) => fail(error.message));
  }

  #read(chunk: Buffer): void {
    const bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    let at = 0;
    while (bytes.length - at >= 9) {
      const length = bytes.readUIntBE(at, 3);
      if (bytes.length - at < 9 + length) break;
      this.#frame(bytes[at + 3] as number, bytes[at + 4] as number, bytes.subarray(at + 9, at + 9 + length));
      at += 9 + length;
    }
    this.#bytes = bytes.subarray(at);
  }

  #frame(type: number, flags: number, content: Buffer): void {
    if (type === frameType.data) this.#data(content);
    else if (type === frameType.settings && (flags & 1) === 0) {
      this.#socket.write(frame(frameType.settings, 1, 0, Buffer.alloc(0)));
    } else if (type === frameType.ping && (flags & 1) === 0) {
      this.#socket.write(frame(frameType.ping, 1, 0, content));
    }
  }

  #data(content: Buffer): void {
    const bytes = this.#messages.length === 0 ? content : Buffer.concat([this.#messages, content]);
    let at = 0;
    while (bytes.length - at >= 5) {
      const length = bytes.readUInt32BE(at + 1);
      if (bytes.length - at < 5 + length) break;
      this.#response(bytes.subarray(at + 5, at + 5 + length));
      at += 5 + length;
    }
    this.#messages = Buffer.from(bytes.subarray(at));
  }

  /** Events are counted by their tags; only those of one watch of the connection are decoded. */
  #response(bytes: Buffer): void {
    let events = 0;
    let watch = 0;
    for (let at = 0; at < bytes.length; ) {
      const tag = bytes[at++] as number;
      let value = 0;
      let shift = 1;
      for (;;) {
        const byte = bytes[at++] as number;
        value += (byte & 0x7f) * shift;
        if (byte < 0x80) break;
        shift *= 128;
      }
      if (tag === 0x10) watch = value;
      if (tag === 0x18) this.created += 1;
      if (tag === 0x5a) events += 1;
      if ((tag & 7) === 2) at += value;
    }
    this.events += events;
    if (watch !== 0 || events === 0) return;
    const nowNs = process.hrtime.bigint();
    for (const { kv } of WatchResponse.decode(bytes).events) {
      const sentNs = BigInt(Buffer.from(kv?.value ?? []).toString());
      this.latenciesMs.push(Number(nowNs - sentNs) / 1e6);
    }
  }
}

function fail(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}

const [, , urls = '', connectionCount = '', watchCount = '', prefix = ''] = process.argv;
const endpoints = urls.split(',');
const perConnection = Number(watchCount) / Number(connectionCount);
const connections = Array.from(
  { length: Number(connectionCount) },
  (_, at) => new Connection(endpoints[at % endpoints.length] as string, perConnection, prefix),
);
const sum = (of: (connection: Connection) => number): number =>
  connections.reduce((total, connection) => total + of(connection), 0);

const creating = setInterval(() => {
  if (sum(({ created }) => created) < Number(watchCount)) return;
  clearInterval(creating);
  process.stdout.write('ready\n');
}, 20);

createInterface({ input: process.stdin }).once('line', (line) => {
  const expected = Number(line) * Number(watchCount);
  let seen = -1;
  let changedMs = performance.now();
  setInterval(() => {
    const events = sum((connection) => connection.events);
    if (events !== seen) changedMs = performance.now();
    seen = events;
    if (events < expected && performance.now() - changedMs < silenceMs) return;
    const latenciesMs = connections.flatMap((connection) => connection.latenciesMs);
    process.stdout.write(`${JSON.stringify({ events, latenciesMs })}\n`, () => process.exit(0));
  }, 20);
});
