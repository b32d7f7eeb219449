import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { nodeRuntime } from '../runtime/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { type ServeOptions, serveApi } from './serve.ts';
import { TestingMember } from './testing.ts';

/** Sockets are real, time is the test's. */
async function open(options: Partial<ServeOptions> = {}) {
  const { clock, timers, advance } = manualRuntime();
  const member = new TestingMember(nodeRuntime());
  const listen = { host: '127.0.0.1', port: 0 };
  const runtime = { ...nodeRuntime(), clock, timers };
  const server = await serveApi(member, { listen, closeGraceMs: 0, runtime, ...options });
  const { host, port } = server.address;
  const sockets: net.Socket[] = [];
  return {
    ...{ member, server, advance },
    /** Connects, sends, and resolves when that has left. */
    async send(...pieces: (string | Buffer)[]): Promise<net.Socket> {
      const socket = net.connect({ host, port });
      sockets.push(socket);
      socket.on('error', () => {});
      socket.resume();
      await once(socket, 'connect');
      for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
      return socket;
    },
    version: async () => (await fetch(`http://${host}:${port}/version`)).status,
    metric: async (series: string) => {
      const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
      return Number(new RegExp(`^${series.replace(/[{}]/g, '\\$&')} (.*)$`, 'm').exec(text)?.[1]);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      const closing = server.close();
      await advance(2000);
      await closing;
    },
  };
}

const closed = (socket: net.Socket): Promise<unknown> =>
  // Not by `once`, which an error before it rejects.
  socket.closed ? Promise.resolve() : new Promise((resolve) => socket.on('close', resolve));

/** Resolves when the server has taken up what was sent: it answers in the order in which it hears. */
async function heard(it: { version(): Promise<number> }): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await it.version();
}

const head = 'POST /v3/kv/put HTTP/1.1\r\nHost: x\r\n';

test('connections on which a request does not come whole in time are closed, wherever it stopped', async () => {
  await using it = await open();
  const beginnings = [
    '',
    'PRI * HT',
    'G',
    'GET /version HTTP/1.1\r\nHost:',
    `${head}Content-Length: 10\r\n\r\n{"ke`,
  ];
  const sockets = await Promise.all([...beginnings, ...beginnings].map((text) => it.send(text)));
  await heard(it);
  await it.advance(9000);
  assert.ok(sockets.every((socket) => !socket.destroyed));
  await it.advance(60_000);
  await Promise.all(sockets.map(closed));
  assert.equal(await it.version(), 200);
});

test('a request whose bytes come one by one has no more time than any other', async () => {
  await using it = await open();
  const socket = await it.send(`${head}Content-Length: 1000\r\n\r\n{"key":"`);
  for (let sentBytes = 0; sentBytes < 10 && !socket.destroyed; sentBytes++) {
    socket.write('Y');
    await heard(it);
    await it.advance(10_000);
  }
  await closed(socket);
  assert.deepEqual(it.member.proposed, []);
});

test('a connection that waits for the next request is closed after a while, one with an open stream is not', async () => {
  await using it = await open();
  const watch = '{"create_request":{"key":"YQ=="}}';
  const [idle, watching] = await Promise.all([
    it.send('GET /version HTTP/1.1\r\nHost: x\r\n\r\n'),
    it.send(`POST /v3/watch HTTP/1.1\r\nHost: x\r\nContent-Length: ${watch.length}\r\n\r\n${watch}`),
  ]);
  while (it.member.keyspace.watcherCount === 0) await heard(it);
  await it.advance(120_000);
  await closed(idle);
  assert.equal(watching.destroyed, false);
});

test('connections above the bound are closed at once, and there is room again when others leave', async () => {
  await using it = await open({ maxConnections: 5 });
  const sockets = await Promise.all(Array.from({ length: 5 }, () => it.send('GET /')));
  const more = await Promise.all(Array.from({ length: 20 }, () => it.send('GET /')));
  await Promise.all(more.map(closed));
  assert.ok(sockets.every((socket) => !socket.destroyed));
  const [leaving] = sockets;
  leaving?.destroy();
  for (;;) {
    const status = await it.version().catch(() => undefined);
    if (status === 200) break;
  }
});

test('requests that are sent ahead of their answers without end end the connection', async () => {
  await using it = await open();
  const body = '{"create_request":{"key":"YQ=="}}';
  const request = `POST /v3/watch HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const socket = await it.send(request.repeat(100));
  await closed(socket);
  while (it.member.keyspace.watcherCount > 0) await heard(it);
  assert.equal(await it.version(), 200);
});

test('a flood of half-open connections and of heads and frames without end leaves the member answering, and small', async () => {
  await using it = await open();
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
  const largeFrame = Buffer.concat([preface, Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])]);
  const junk = Buffer.alloc(256 * 1024, 'x');
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const held = () => {
    collectGarbage();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = held();
  for (let round = 0; round < 5; round++) {
    const attacks: Promise<net.Socket>[] = [];
    for (let count = 0; count < 100; count++) {
      attacks.push(it.send('GET / HTTP/1.1\r\nX: ', junk), it.send(largeFrame, junk), it.send(''));
      attacks.push(it.send(`${head}Transfer-Encoding: chunked\r\n\r\n40000\r\n`, junk));
    }
    // Some are cut off while they still send.
    await Promise.allSettled(attacks);
    assert.equal(await it.version(), 200);
  }
  // What was sent is twice as much and more.
  const grownBytes = held() - before;
  assert.ok(grownBytes < 200_000_000, `${grownBytes} bytes are held`);
  await it.advance(100_000);
  assert.equal(await it.version(), 200);
});

test('a gRPC connection that gives no sign of life is asked for one, and closed without it', async () => {
  await using it = await open({ keepAliveIntervalMs: 1000, keepAliveTimeoutMs: 500 });
  const settings = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
  const [silent, alive] = await Promise.all([it.send(settings), it.send(settings)]);
  const pong = Buffer.from([0, 0, 8, 6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  let pings = 0;
  alive.on('data', (chunk: Buffer) => {
    for (let at = 0; at + 9 <= chunk.length; at += 9 + chunk.readUIntBE(at, 3)) {
      if (chunk[at + 3] !== 6) continue;
      pings += 1;
      alive.write(pong);
    }
  });
  await heard(it);
  for (let round = 0; round < 20; round++) {
    await it.advance(250);
    await heard(it);
  }
  await closed(silent);
  assert.ok(pings > 0);
  assert.equal(alive.destroyed, false);
});
