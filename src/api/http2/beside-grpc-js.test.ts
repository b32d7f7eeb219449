import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentials, Metadata, makeClientConstructor } from '@grpc/grpc-js';
import fc from 'fast-check';
import { echoService, servedByGrpcJs, servedByUs } from '../../../test/fuzz/echo-servers.ts';

/** grpc-js is the reference: the same methods on both, the same client, the same random calls, the same answers. */

const Client = makeClientConstructor(echoService, 't');

interface Call {
  readonly method: keyof typeof echoService;
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
    const { requestStream, responseStream } = echoService[method];
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
  const servers = { reference: await servedByGrpcJs(), ours: await servedByUs() };
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
