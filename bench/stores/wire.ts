/** Counts the requests that clients send to a server, by a proxy in between that knows where each begins. */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** The next piece of what a client sends; undefined: it has not come whole. `at`: what came before it, in bytes. */
type Cut = (bytes: Buffer, at: number) => { readonly size: number; readonly isRequest: boolean } | undefined;

const http2PrefaceLength = 24;

function lengthFirst(read: (bytes: Buffer) => number): Cut {
  return (bytes) => (bytes.length < 4 ? undefined : { size: read(bytes), isRequest: true });
}

/** Where the line ends, after its end. */
function lineEnd(bytes: Buffer, from = 0): number | undefined {
  const at = bytes.indexOf('\r\n', from);
  return at < 0 ? undefined : at + 2;
}

const cuts = {
  /** QUERY, PREPARE, EXECUTE and BATCH; not what a connection begins with. */
  cassandra(bytes) {
    if (bytes.length < 9) return undefined;
    return { size: 9 + bytes.readInt32BE(5), isRequest: [7, 9, 10, 13].includes(bytes[4] ?? 0) };
  },
  /** A message is one DATA frame, also in a stream of them. */
  grpc(bytes, at) {
    if (at === 0) return { size: http2PrefaceLength, isRequest: false };
    if (bytes.length < 9) return undefined;
    const length = bytes.readUIntBE(0, 3);
    return { size: 9 + length, isRequest: bytes[3] === 0 && length > 0 };
  },
  http(bytes) {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const head = bytes.toString('latin1', 0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return { size: end + 4 + length, isRequest: true };
    const last = bytes.indexOf('0\r\n\r\n', end + 4);
    return last < 0 ? undefined : { size: last + 5, isRequest: true };
  },
  mongodb: lengthFirst((bytes) => bytes.readInt32LE()),
  /** What belongs to an answer of the server has a number above zero. */
  mysql(bytes) {
    return bytes.length < 4 ? undefined : { size: 4 + bytes.readUIntLE(0, 3), isRequest: bytes[3] === 0 };
  },
  /** What is published, requests to JetStream too; not subscriptions and signs of life. */
  nats(bytes) {
    const end = lineEnd(bytes);
    if (end === undefined) return undefined;
    const [verb = '', ...words] = bytes.toString('latin1', 0, end).trim().split(/\s+/);
    if (!/^H?PUB$/i.test(verb)) return { size: end, isRequest: false };
    return { size: end + Number(words.at(-1)) + 2, isRequest: true };
  },
  /** A simple query, or the end of a group of messages that is answered as one. */
  postgres(bytes, at) {
    if (at === 0) return bytes.length < 4 ? undefined : { size: bytes.readInt32BE(), isRequest: false };
    if (bytes.length < 5) return undefined;
    const kind = String.fromCharCode(bytes[0] ?? 0);
    return { size: 1 + bytes.readInt32BE(1), isRequest: kind === 'Q' || kind === 'S' };
  },
  redis(bytes) {
    let end = lineEnd(bytes);
    for (let left = Number(bytes.toString('latin1', 1, end)); end !== undefined && left > 0; left--) {
      const data = lineEnd(bytes, end);
      if (data === undefined) return undefined;
      end = data + Number(bytes.toString('latin1', end + 1, data)) + 2;
    }
    return end === undefined ? undefined : { size: end, isRequest: true };
  },
  /** With the pings that keep a session. */
  zookeeper: lengthFirst((bytes) => 4 + bytes.readInt32BE()),
} as const satisfies Readonly<Record<string, Cut>>;

export type Protocol = keyof typeof cuts;

/** Takes what comes and tells how many requests are in what is whole. */
export function requestCounter(protocol: Protocol): (chunk: Buffer) => number {
  const cut: Cut = cuts[protocol];
  let rest: Buffer = Buffer.alloc(0);
  let at = 0;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let requests = 0;
    for (let next = cut(rest, at); rest.length > 0; next = cut(rest, at)) {
      if (next === undefined || next.size > rest.length) break;
      if (next.isRequest) requests += 1;
      rest = rest.subarray(next.size);
      at += next.size;
    }
    return requests;
  };
}

/** In front of a port of this machine. */
export class CountingProxy implements AsyncDisposable {
  requests = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async to(port: number, protocol: Protocol): Promise<CountingProxy> {
    const proxy = new CountingProxy(port, protocol);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  private constructor(port: number, protocol: Protocol) {
    this.#server = createServer({ noDelay: true }, (client) => {
      const count = requestCounter(protocol);
      const server = connect({ host: '127.0.0.1', port, noDelay: true });
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
      client.on('data', (chunk: Buffer) => {
        this.requests += count(chunk);
      });
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
