import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { test } from 'node:test';
import { BroadcastChannel } from 'node:worker_threads';
import { nodeRuntime } from '../../runtime/index.ts';
import { sharePort } from '../../runtime/shared-port.ts';
import { Thread } from '../../runtime/threads.ts';
import { PutRequest, RangeRequest, services, WatchCreateRequest, WatchRequest } from '../../wire/index.ts';
import { Api } from '../api.ts';
import type { ClientServing } from '../client-carrier.ts';
import { TestingMember } from '../testing.ts';
import type { Logger } from '../types.ts';
import { standardLimits } from '../validate.ts';
import { FrontEndThreads } from './front-end-threads.ts';
import type { Ask, FrontEndSettings } from './messages.ts';
import { RunningFrontEnd } from './running-front-end.ts';
import { listeningChannel, type ToListening } from './testing/listening-channel.ts';

const local = { host: '127.0.0.1', port: 0 };
const failing = new URL('./testing/failing-thread.ts', import.meta.url);
const own = new URL('./thread.ts', import.meta.url);

function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function call(session: http2.ClientHttp2Session, path: string): http2.ClientHttp2Stream {
  const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request(headers);
  stream.on('error', () => {});
  stream.resume();
  return stream;
}

/** The status; undefined: the connection ended without one. */
async function unary(session: http2.ClientHttp2Session, path: string, message: Uint8Array) {
  const stream = call(session, path);
  let status: string | undefined;
  const take = (headers: http2.IncomingHttpHeaders): void => {
    status = headers['grpc-status'] as string | undefined;
  };
  stream.on('response', take).on('trailers', take);
  stream.end(frame(message));
  await new Promise((resolve) => stream.on('close', resolve));
  return status;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const putOf = (key: string, value: Uint8Array) =>
  PutRequest.encode(PutRequest.create({ key: bytes(key), value })).finish();
const rangeOf = (key: string) => RangeRequest.encode(RangeRequest.create({ key: bytes(key) })).finish();

function servingOf(api: Api, logged: object[]): ClientServing {
  const { clock, timers } = nodeRuntime();
  const logger: Logger = { debug() {}, info() {}, warn() {}, error: (fields) => logged.push(fields) };
  return {
    ...{ registry: api.registry, pages: new Map(), clock, timers, logger, limits: standardLimits },
    ...{ http2: {}, corsOrigins: [], tls: undefined, maxConnections: 100, onRefused() {} },
  };
}

async function open(count: number) {
  const member = new TestingMember(nodeRuntime());
  const api = new Api(member);
  const logged: object[] = [];
  const threads = new FrontEndThreads(count, servingOf(api, logged), failing);
  const { address } = await threads.listen(local);
  const sessions: http2.ClientHttp2Session[] = [];
  return {
    ...{ member, api, threads, logged },
    connect(): http2.ClientHttp2Session {
      const session = http2.connect(`http://127.0.0.1:${address.port}`);
      sessions.push(session.on('error', () => {}));
      return session;
    },
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await threads.close(0);
      await api[Symbol.asyncDispose]();
    },
  };
}

test('a front end that fails costs its own connections, is started again, and no counter falls', async () => {
  await using it = await open(1);
  const session = it.connect();
  assert.equal(await unary(session, services.KV.put.path, putOf('bad', bytes('planted failure'))), '0');
  const watch = call(session, services.Watch.watch.path);
  const value = WatchCreateRequest.create({ key: bytes('k') });
  const created = WatchRequest.create({ requestUnion: { $case: 'createRequest', value } });
  watch.write(frame(WatchRequest.encode(created).finish()));
  await once(watch, 'data');
  await it.threads.look();
  assert.equal(it.threads.connections.grpc, 1);
  const closed = once(session, 'close');
  assert.equal(await unary(session, services.KV.range.path, rangeOf('bad')), undefined);
  await closed;
  while (it.member.keyspace.watcherCount > 0) await new Promise(setImmediate);
  // The port is refused, or not, until the new thread listens.
  for (;;) {
    const again = it.connect();
    if ((await unary(again, services.KV.put.path, putOf('good', bytes('v')))) === '0') break;
  }
  await it.threads.look();
  assert.equal(it.threads.frontEnds[0]?.restarts, 1);
  assert.equal(it.threads.connections.grpc, 1);
  const puts = it.api.registry.get(services.KV.put.path)?.calls;
  assert.deepEqual([puts?.started, puts?.byCode[0]], [2, 2]);
  const watches = it.api.registry.get(services.Watch.watch.path)?.calls;
  assert.deepEqual([watches?.started, watches?.byCode[14]], [1, 1]);
  assert.match(JSON.stringify(it.logged), /a failure that a test has planted/);
});

test('other front ends serve on while one is started again', async () => {
  await using it = await open(2);
  await unary(it.connect(), services.KV.put.path, putOf('bad', bytes('planted failure')));
  const sessions = Array.from({ length: 30 }, () => it.connect());
  const range = (session: http2.ClientHttp2Session, key: string) =>
    unary(session, services.KV.range.path, rangeOf(key));
  // The system spreads connections by their ports: with thirty, both have some.
  assert.deepEqual(
    new Set(await Promise.all(sessions.map((session) => range(session, 'good')))),
    new Set(['0']),
  );
  assert.equal(await range(sessions[0] as http2.ClientHttp2Session, 'bad'), undefined);
  const after = await Promise.all(
    sessions.map((session) => (session.closed ? undefined : range(session, 'good'))),
  );
  assert.ok(after.includes('0'), 'the other one has gone too');
  assert.ok(after.includes(undefined), 'no connection was lost');
});

test('a front end that fails while others only begin to listen listens too once it is started again', async () => {
  const api = new Api(new TestingMember(nodeRuntime()));
  const channel = new BroadcastChannel(listeningChannel);
  const asked: number[] = [];
  let heard: () => void = () => {};
  channel.onmessage = (event) => {
    asked.push((event as { data: number }).data);
    heard();
  };
  /** The thread that is asked to listen as the so-and-so-many-th. */
  const askedAs = async (count: number): Promise<number> => {
    while (asked.length < count) {
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    }
    return asked[count - 1] as number;
  };
  const tell = (what: ToListening): void => channel.postMessage(what);
  const threads = new FrontEndThreads(
    2,
    servingOf(api, []),
    new URL('./testing/held-thread.ts', import.meta.url),
  );
  try {
    const listening = threads.listen(local);
    const first = await askedAs(1);
    tell({ thread: first, does: 'listen' });
    const second = await askedAs(2);
    tell({ thread: first, does: 'fail' });
    const again = await askedAs(3);
    assert.ok(again !== first && again !== second);
    tell({ thread: second, does: 'listen' });
    await listening;
    tell({ thread: again, does: 'listen' });
  } finally {
    channel.close();
    await threads.close(0);
    await api[Symbol.asyncDispose]();
  }
});

test('a front end that is asked twice to listen, and no more before it does, listens once and then not at all', async () => {
  const settings: FrontEndSettings = {
    ...{ methods: [], pages: [], limits: standardLimits, http2: {} },
    ...{ corsOrigins: [], tls: undefined, taken: new SharedArrayBuffer(4) },
  };
  const answers = new Map<number, () => void>();
  const thread = new Thread(own, {
    ...{ name: 'front end', data: settings },
    onMessage: (message) => answers.get((message as { request: number }).request)?.(),
  });
  const ask = (request: number, it: Ask): Promise<void> => {
    const answered = new Promise<void>((resolve) => answers.set(request, resolve));
    thread.post({ request, ask: it });
    return answered;
  };
  try {
    await sharePort(local, async (address) => {
      const listen = { kind: 'listen', address, maxConnections: 10 } as const;
      await Promise.all([ask(1, listen), ask(2, listen), ask(3, { kind: 'unlisten', address })]);
      const socket = net.connect(address.port, address.host);
      socket.once('connect', () => socket.destroy(new Error('it listens')));
      const [error] = await once(socket, 'error');
      assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
    });
  } finally {
    await thread.terminate();
  }
});

test('a front end that tells what cannot be is ended, and its member goes on', async () => {
  const running = new RunningFrontEnd({
    ...{ name: 'nonsense', script: new URL('./testing/nonsense-thread.ts', import.meta.url) },
    ...{ methods: [], logger: { debug() {}, info() {}, warn() {}, error() {} }, nowMs: () => 0 },
    settings: {
      ...{ methods: [], pages: [], limits: standardLimits, http2: {} },
      ...{ corsOrigins: [], tls: undefined },
    },
  });
  await assert.rejects(running.ask({ kind: 'figures' }), /a call of nobody/);
  assert.match(String(await running.ended), /a call of nobody/);
});

test('while the core is behind, front ends stop reading, and later all that came is served', async () => {
  const batches: ArrayBuffer[] = [];
  let gatheredBytes = 0;
  let grown: () => void = () => {};
  const answers: unknown[] = [];
  const taken = new SharedArrayBuffer(4);
  const data: FrontEndSettings = {
    ...{ methods: [services.KV.put.path], pages: [], limits: standardLimits, http2: {} },
    ...{ corsOrigins: [], tls: undefined, taken },
  };
  const thread = new Thread(own, {
    ...{ name: 'front end', data },
    onMessage(message) {
      if (message instanceof ArrayBuffer) {
        batches.push(message);
        gatheredBytes += message.byteLength;
      } else {
        answers.push(message);
      }
      grown();
    },
  });
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        grown = resolve;
      });
    }
  };
  const listening = await sharePort(local, async (address) => {
    thread.post({ request: 1, ask: { kind: 'listen', address, maxConnections: 10 } });
    await until(() => answers.length === 1);
    return address;
  });
  const session = http2.connect(`http://127.0.0.1:${listening.port}`).on('error', () => {});
  const puts = 30;
  const value = new Uint8Array(1_000_000);
  for (let at = 0; at < puts; at++) call(session, services.KV.put.path).end(frame(putOf('k', value)));
  const mostBytes = 8 * 1024 * 1024;
  await until(() => gatheredBytes > mostBytes);
  thread.post({ request: 2, ask: { kind: 'figures' } });
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  // It stands until the core has taken something: not even a question is answered.
  assert.ok(gatheredBytes < mostBytes + 2 * value.length, `${gatheredBytes} bytes`);
  assert.equal(answers.length, 1);
  const acknowledge = (): void => {
    const sum = batches.reduce((total, { byteLength }) => total + byteLength, 0);
    Atomics.store(new Int32Array(taken), 0, sum | 0);
    Atomics.notify(new Int32Array(taken), 0);
  };
  for (;;) {
    acknowledge();
    if (gatheredBytes > puts * value.length) break;
    const before = gatheredBytes;
    await until(() => gatheredBytes > before);
  }
  await until(() => answers.length === 2);
  session.destroy();
  await thread.terminate();
});
