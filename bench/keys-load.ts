/**
 * Puts of random ones of so many keys, as a process of its own: node keys-load.ts URL CONNECTIONS IN_FLIGHT KEYS SECONDS.
 * HTTP/2 is written by hand, so that the load costs less than what it loads. Prints what was done as JSON.
 */
import { connect, type Socket } from 'node:net';
import { PutRequest, services } from '../src/wire/index.ts';
import { frame, message as grpcMessage, keyOf, opening } from './raw-http2.ts';

const [url = '', connectionCount = '', inFlight = '', keys = '', seconds = ''] = process.argv.slice(2);
const endMs = performance.now() + Number(seconds) * 1000;
const value = Buffer.alloc(64, 'x');
/** As many different requests as keys, up to this; drawn anew for each connection. */
const prepared = 4096;

class Connection {
  answered = 0;
  failed = 0;
  readonly over: Promise<void>;
  readonly #socket: Socket;
  readonly #requests: Buffer[];
  readonly #heads: { readonly first: Buffer; readonly later: Buffer };
  #stream = 1;
  #open = 0;
  #messages = 0;
  #rest: Buffer = Buffer.alloc(0);
  #done: () => void = () => {};

  constructor() {
    const { hostname, port, host } = new URL(url);
    const { greeting, first, later } = opening(host, services.KV.put.path);
    this.#heads = { first, later };
    this.#requests = Array.from({ length: prepared }, () => {
      const key = keyOf(Math.floor(Math.random() * Number(keys)));
      return grpcMessage(PutRequest.encode(PutRequest.create({ key, value })).finish());
    });
    this.over = new Promise((resolve) => {
      this.#done = resolve;
    });
    this.#socket = connect(Number(port), hostname);
    this.#socket.setNoDelay();
    this.#socket.on('error', (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(1);
    });
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.write(greeting);
    this.#send(Number(inFlight));
  }

  #send(count: number): void {
    if (performance.now() > endMs) {
      if (this.#open === 0) this.#done();
      return;
    }
    const frames: Buffer[] = [];
    for (let sent = 0; sent < count; sent++) {
      const head = this.#stream === 1 ? this.#heads.first : this.#heads.later;
      const request = this.#requests[Math.floor(Math.random() * prepared)] as Buffer;
      frames.push(frame(1, 4, this.#stream, head), frame(0, 1, this.#stream, request));
      this.#stream += 2;
    }
    this.#open += count;
    this.#socket.write(Buffer.concat(frames));
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let [at, ended] = [0, 0];
    while (bytes.length - at >= 9) {
      const length = bytes.readUIntBE(at, 3);
      if (bytes.length - at < 9 + length) break;
      const [type, flags] = [bytes[at + 3], bytes[at + 4] as number];
      if (type === 0 && length > 0) this.#messages += 1;
      else if (type === 1 && (flags & 1) === 1) ended += 1;
      else if (type === 3 && bytes.readUInt32BE(at + 9) !== 0) this.failed += 1;
      else if (type === 7) this.#socket.destroy(new Error('The server went away.'));
      else if ((type === 4 || type === 6) && (flags & 1) === 0) {
        const content = type === 6 ? bytes.subarray(at + 9, at + 9 + length) : Buffer.alloc(0);
        this.#socket.write(frame(type, 1, 0, content));
      }
      at += 9 + length;
    }
    this.#rest = bytes.subarray(at);
    if (ended === 0) return;
    this.answered += ended;
    this.#open -= ended;
    // An error has no message.
    this.failed = Math.max(this.failed, this.answered - this.#messages);
    this.#send(ended);
  }
}

const startMs = performance.now();
const connections = Array.from({ length: Number(connectionCount) }, () => new Connection());
await Promise.all(connections.map(({ over }) => over));
const sum = (of: (connection: Connection) => number) =>
  connections.reduce((total, one) => total + of(one), 0);
const count = sum(({ answered }) => answered);
const perSecond = (count * 1000) / (performance.now() - startMs);
process.stdout.write(`${JSON.stringify({ count, perSecond, failed: sum(({ failed }) => failed) })}\n`);
process.exit(0);
