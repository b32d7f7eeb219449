import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { frameFlags, frameTypes, settingIds } from './frames.ts';
import { MessageAssembler } from './message-assembler.ts';
import { frameBytes, framed, Rig } from './testing.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('a unary call is answered with its message and status 0', async () => {
  const rig = new Rig();
  rig.call(1, '/t/Echo', bytes('hello'));
  const { messages, trailers } = await rig.answer(1);
  assert.deepEqual(messages, [bytes('hello')]);
  assert.equal(trailers.get('grpc-status'), '0');
});

test('what fails has its status and text, percent-encoded, in headers that are trailers too', async () => {
  const rig = new Rig();
  rig.call(1, '/t/Fail', bytes(''));
  const { messages, trailers } = await rig.answer(1);
  assert.deepEqual(messages, []);
  assert.equal(trailers.get(':status'), '200');
  assert.equal(trailers.get('grpc-status'), '2');
  assert.equal(trailers.get('grpc-message'), 'it is 100 %25 broken: %C3%BC');
});

test('requests cut at any byte are the same requests', async () => {
  const cuts = fc.array(fc.nat(400), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(cuts, fc.uint8Array({ maxLength: 100 }), async (places, message) => {
      const rig = new Rig();
      const block = rig.block('/t/Echo');
      const wire = Buffer.concat([
        frameBytes(frameTypes.headers, 0, 1, block.subarray(0, 7)),
        frameBytes(frameTypes.continuation, frameFlags.endHeaders, 1, block.subarray(7)),
        frameBytes(frameTypes.data, 0, 1, framed(message).subarray(0, 3)),
        frameBytes(frameTypes.data, frameFlags.endStream, 1, framed(message).subarray(3)),
      ]);
      let at = 0;
      for (const place of [...places].sort((a, b) => a - b)) {
        const end = Math.max(at, Math.min(place, wire.length));
        rig.client.write(wire.subarray(at, end));
        at = end;
      }
      rig.client.write(wire.subarray(at));
      assert.deepEqual((await rig.answer(1)).messages, [message]);
    }),
    { numRuns: 60 },
  );
});

test('messages come out of an assembler as they went in, wherever their bytes were cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 6 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1 }), (sent, sizes) => {
      const wire = Buffer.concat(sent.map((message) => framed(message)));
      const assembler = new MessageAssembler(3000);
      const received: Uint8Array[] = [];
      for (let at = 0, turn = 0; at < wire.length; turn++) {
        const end = Math.min(wire.length, at + (sizes[turn % sizes.length] as number));
        assembler.push(wire, at, end, (message) => received.push(Uint8Array.from(message.bytes)));
        at = end;
      }
      assert.deepEqual(
        received,
        sent.map((message) => Uint8Array.from(message)),
      );
      assert.equal(assembler.partialBytes, 0);
    }),
  );
});

test('compressed requests are read, and those in an unknown encoding are told which are', async () => {
  const rig = new Rig();
  const send = (stream: number, encoding: string, content: Uint8Array) => {
    rig.call(stream, '/t/Echo', undefined, [['grpc-encoding', encoding]]);
    rig.send(frameTypes.data, frameFlags.endStream, stream, framed(content, 1));
  };
  send(1, 'gzip', gzipSync(bytes('packed')));
  assert.deepEqual((await rig.answer(1)).messages, [bytes('packed')]);
  send(3, 'deflate', deflateSync(bytes('packed')));
  assert.deepEqual((await rig.answer(3)).messages, [bytes('packed')]);
  send(5, 'snappy', bytes('packed'));
  const { trailers } = await rig.answer(5);
  assert.equal(trailers.get('grpc-status'), '12');
  assert.equal(trailers.get('grpc-accept-encoding'), 'identity,deflate,gzip');
  send(7, 'gzip', bytes('not packed at all'));
  assert.equal((await rig.answer(7)).trailers.get('grpc-status'), '13');
});

test('a deadline ends a call that takes longer, and tells its handler', async () => {
  const rig = new Rig();
  rig.call(1, '/t/Wait', bytes('x'), [['grpc-timeout', '250m']]);
  await rig.ping();
  await rig.runtime.advance(249);
  assert.deepEqual(rig.seen.aborts, []);
  await rig.runtime.advance(10);
  assert.equal((await rig.answer(1)).trailers.get('grpc-message'), 'late');
  assert.match(String(rig.seen.aborts[0]), /late/);
});

test('a call that the other side resets tells its handler, and its answer goes nowhere', async () => {
  const rig = new Rig();
  rig.call(1, '/t/Wait', bytes('x'));
  await rig.ping();
  rig.send(frameTypes.resetStream, 0, 1, Uint8Array.of(0, 0, 0, 8));
  await rig.ping();
  assert.match(String(rig.seen.aborts[0]), /cancelled/);
  rig.seen.release();
  rig.call(3, '/t/Echo', bytes('y'));
  assert.deepEqual((await rig.answer(3)).messages, [bytes('y')]);
});

test('streams in both directions keep their order and end with the requests', async () => {
  const rig = new Rig();
  rig.call(1, '/t/EchoAll');
  for (let count = 0; count < 200; count++) {
    rig.send(frameTypes.data, 0, 1, framed(Uint8Array.of(count)));
  }
  rig.send(frameTypes.data, frameFlags.endStream, 1);
  const { messages, trailers } = await rig.answer(1);
  assert.deepEqual(
    messages.map(([first]) => first),
    Array.from({ length: 200 }, (_, count) => count),
  );
  assert.equal(trailers.get('grpc-status'), '0');
});

for (const path of ['/t/Many', '/t/Ready']) {
  test(`answers wait for the windows of the other side, and nothing of them is lost or out of order: ${path}`, async () => {
    const rig = new Rig({ greet: false });
    rig.greet([[settingIds.initialWindowSize, 10]]);
    rig.call(1, path, Uint8Array.of(5, 0, 20));
    const answer = rig.answer(1);
    for (let widened = 0; widened < 30; widened++) {
      await rig.ping();
      rig.send(frameTypes.windowUpdate, 0, 1, Uint8Array.of(0, 0, 0, 7));
    }
    const expected = [0, 1, 2, 3, 4].map((number) => new Uint8Array(20).fill(number));
    assert.deepEqual((await answer).messages, expected);
  });
}

test('a closing server ends streams, lets unary calls finish, and takes no new ones', async () => {
  const rig = new Rig();
  rig.call(1, '/t/EchoAll');
  rig.call(3, '/t/Wait', bytes('x'));
  await rig.ping();
  const closing = rig.server.close(60_000);
  assert.equal((await rig.answer(1)).trailers.get('grpc-message'), 'stopped');
  rig.call(5, '/t/Echo', bytes('late'));
  rig.seen.release();
  assert.deepEqual((await rig.answer(3)).messages, [bytes('x')]);
  assert.equal(await rig.sentAway(), 0);
  rig.client.end();
  await closing;
});

test('calls that are none are refused in the words of gRPC or of HTTP', async () => {
  const rig = new Rig();
  rig.call(1, '/t/None', bytes(''));
  assert.equal((await rig.answer(1)).trailers.get('grpc-status'), '12');
  rig.call(3, '/t/Echo');
  rig.send(frameTypes.data, frameFlags.endStream, 3);
  assert.equal((await rig.answer(3)).trailers.get('grpc-status'), '13');
  rig.call(5, '/t/Echo');
  rig.send(frameTypes.data, frameFlags.endStream, 5, framed(bytes('whole')).subarray(0, 7));
  assert.match((await rig.answer(5)).trailers.get('grpc-message') ?? '', /ends in its middle/);
  rig.call(7, '/t/Echo');
  rig.send(frameTypes.data, 0, 7, framed(bytes('one')));
  rig.send(frameTypes.data, frameFlags.endStream, 7, framed(bytes('two')));
  assert.match((await rig.answer(7)).trailers.get('grpc-message') ?? '', /second message/);
  rig.call(9, '/t/Echo', bytes('x'), [['grpc-timeout', 'soon']]);
  assert.match((await rig.answer(9)).trailers.get('grpc-message') ?? '', /timeout/);
});
