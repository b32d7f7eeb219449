// The front end beside grpc-js on the wire itself: the same bytes, said as oddly as the RFCs allow, have the same answers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { Draw } from '../../src/simulation/world/random.ts';
import { type EchoServer, servedByGrpcJs, servedByUs } from './echo-servers.ts';
import { type WireAnswer, WireClient } from './wire-client.ts';
import { type WireCall, wireScript } from './wire-script.ts';

let ours: EchoServer;
let reference: EchoServer;
before(async () => {
  [ours, reference] = await Promise.all([servedByUs(), servedByGrpcJs()]);
});
after(() => {
  ours.close();
  reference.close();
});

// All requests of a connection fit into the windows that a server begins with, since nobody here waits for more.
const message = fc
  .tuple(fc.oneof(fc.nat(50), fc.nat(1200)), fc.nat(255))
  .map(([bytes, fill]) => new Uint8Array(bytes).fill(fill));
const reset = fc.integer({ min: 0, max: 9 }).map((number) => number === 0);
const call: fc.Arbitrary<WireCall> = fc.oneof(
  fc.record({
    method: fc.constantFrom('Echo' as const, 'Fail' as const, 'None' as const, 'Wait' as const),
    messages: fc.tuple(message),
    reset,
  }),
  fc.record({
    method: fc.constant('Many' as const),
    messages: fc.tuple(fc.tuple(fc.nat(10), fc.nat(20), fc.nat(255)).map((bytes) => Uint8Array.from(bytes))),
    reset,
  }),
  fc.record({
    method: fc.constant('EchoAll' as const),
    messages: fc.array(message, { maxLength: 5 }),
    reset,
  }),
);

async function answers(server: EchoServer, calls: readonly WireCall[], seed: number) {
  const { pieces, streams } = wireScript(calls, new Draw(seed));
  const client = new WireClient(server.port);
  try {
    await client.say(pieces);
    client.widen(streams.filter((_, at) => calls[at]?.reset === false));
    const given: (WireAnswer | string)[] = [];
    for (const [at, stream] of streams.entries()) {
      // Of those that were given up, an answer may have been first.
      if (calls[at]?.reset === false) given.push(await client.answer(stream));
    }
    return { given, ended: client.ended };
  } finally {
    client.close();
  }
}

test('random calls in random frames, blocks, pieces, windows and settings have the answers that grpc-js gives', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 8 }), fc.nat(2 ** 31), async (calls, seed) => {
      const [given, expected] = await Promise.all([
        answers(ours, calls, seed),
        answers(reference, calls, seed),
      ]);
      assert.deepEqual(given, expected);
    }),
    { numRuns: Number(process.env.CONCLAVE_FUZZ_RUNS ?? 150) },
  );
});
