import assert from 'node:assert/strict';
import * as net from 'node:net';
import { test } from 'node:test';
import { credentials, Metadata, makeClientConstructor, Server, ServerCredentials } from '@grpc/grpc-js';
import fc from 'fast-check';
import { nodeRuntime } from '../../runtime/index.ts';
import { Http2Server } from './server.ts';
import { methodsFor, Seen } from './testing.ts';

/** grpc-js is the reference: the same methods on both, the same client, the same random calls, the same answers. */

const asIs = (bytes: Buffer): Buffer => bytes;
const describe = (name: string, requestStream: boolean, responseStream: boolean) => ({
  ...{ path: `/t/${name}`, requestStream, responseStream },
  ...{ requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs },
});
const service = {
  Echo: describe('Echo', false, false),
  Fail: describe('Fail', false, false),
  None: describe('None', false, false),
  Many: describe('Many', false, true),
  EchoAll: describe('EchoAll', true, true),
};
const Client = makeClientConstructor(service, 't');

async function reference(): Promise<{ port: number; close: () => void }> {
  const server = new Server({ 'grpc.max_receive_message_length': 1 << 20 });
  const { None: _none, ...offered } = service;
  server.addService(offered, {
    Echo: (call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) =>
      callback(null, call.request),
    Fail: (_call: unknown, callback: (error: object) => void) =>
      callback({ code: 2, details: 'it is 100 % broken: ü' }),
    Many: (call: { request: Buffer; write: (message: Buffer) => void; end: () => void }) => {
      const [count = 0, high = 0, low = 0] = call.request;
      for (let sent = 0; sent < count; sent++) call.write(Buffer.alloc(high * 256 + low, sent));
      call.end();
    },
    EchoAll: (call: NodeJS.ReadWriteStream) => {
      call.on('data', (message) => call.write(message));
      call.on('end', () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, close: () => server.forceShutdown() };
}

async function ours(): Promise<{ port: number; close: () => void }> {
  const { clock, timers } = nodeRuntime();
  const http2 = new Http2Server(methodsFor(new Seen()), {
    ...{ clock, timers, maxMessageBytes: 1 << 20 },
    causes: {
      cancelled: () => new Error('cancelled'),
      deadlineExceeded: () => new Error('late'),
      stopped: () => new Error('stopped'),
      tooLarge: (size) => new Error(`Received message larger than max (${size} vs ${1 << 20})`),
    },
    failed: (_path, error) => {
      const { message } = error as Error;
      return { code: message.startsWith('Received message') ? 8 : 2, message };
    },
  });
  const listener = net.createServer((socket) => http2.accept(socket, 'test'));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const close = () => {
    listener.close();
    void http2.close(0);
  };
  return { port: (listener.address() as net.AddressInfo).port, close };
}

interface Call {
  readonly method: keyof typeof service;
  readonly messages: readonly Buffer[];
  readonly compressed: boolean;
}
interface Answer {
  readonly messages: readonly string[];
  readonly code: number;
  readonly details: string;
}

const size = fc.oneof({ arbitrary: fc.nat(200), weight: 6 }, fc.nat(70_000), fc.nat(400_000));
const message = fc.tuple(size, fc.nat(255)).map(([bytes, fill]) => Buffer.alloc(bytes, fill));
const call: fc.Arbitrary<Call> = fc.oneof(
  fc.record({
    method: fc.constantFrom('Echo' as const, 'Fail' as const, 'None' as const),
    messages: fc.tuple(message),
    compressed: fc.boolean(),
  }),
  fc.record({
    method: fc.constant('Many' as const),
    messages: fc.tuple(fc.tuple(fc.nat(20), fc.nat(40), fc.nat(255)).map((bytes) => Buffer.from(bytes))),
    compressed: fc.constant(false),
  }),
  fc.record({
    method: fc.constant('EchoAll' as const),
    messages: fc.array(message, { maxLength: 8 }),
    compressed: fc.boolean(),
  }),
);

// biome-ignore lint/suspicious/noExplicitAny: the client is made at run time
type AnyClient = any;

function made(client: AnyClient, { method, messages }: Call): Promise<Answer> {
  return new Promise((resolve) => {
    const received: string[] = [];
    const done = (error: { code: number; details: string } | null) =>
      resolve({ messages: received, code: error?.code ?? 0, details: error?.details ?? '' });
    const { requestStream, responseStream } = service[method];
    if (!responseStream) {
      client[method](messages[0], new Metadata(), (error: never, answer: Buffer | undefined) => {
        if (answer !== undefined) received.push(digest(answer));
        done(error);
      });
      return;
    }
    const stream = requestStream ? client[method](new Metadata()) : client[method](messages[0]);
    stream.on('data', (answer: Buffer) => received.push(digest(answer)));
    stream.on('error', done);
    stream.on('end', () => done(null));
    if (!requestStream) return;
    for (const one of messages) stream.write(one);
    stream.end();
  });
}

const digest = (bytes: Buffer): string => `${bytes.length} of ${bytes[0]}`;

test('random calls, many at a time, have the answers that grpc-js gives', async () => {
  const servers = { reference: await reference(), ours: await ours() };
  const clients = ([compressed, { port }]: readonly [boolean, { port: number }]): AnyClient =>
    new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.default_compression_algorithm': compressed ? 2 : 0,
      'grpc.max_receive_message_length': -1,
      // One connection for each: two of the same address would share theirs.
      'grpc.use_local_subchannel_pool': 1,
    });
  const open = {
    reference: [clients([false, servers.reference]), clients([true, servers.reference])],
    ours: [clients([false, servers.ours]), clients([true, servers.ours])],
  };
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 12 }), async (calls) => {
        const answersOf = (who: 'reference' | 'ours') =>
          Promise.all(calls.map((one) => made(open[who][one.compressed ? 1 : 0], one)));
        const [expected, answered] = await Promise.all([answersOf('reference'), answersOf('ours')]);
        assert.deepEqual(answered, expected);
      }),
      { numRuns: 60 },
    );
    const large: Call = { method: 'Echo', messages: [Buffer.alloc((1 << 20) + 1)], compressed: false };
    const refused = await made(open.ours[0], large);
    assert.deepEqual(refused, await made(open.reference[0], large));
    assert.equal(refused.code, 8);
  } finally {
    for (const client of [...open.reference, ...open.ours]) client.close();
    servers.reference.close();
    servers.ours.close();
  }
});
