import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { errorCodes, frameFlags, frameTypes, settingIds, settingsPayload } from './frames.ts';
import { Http2Stream } from './stream.ts';
import { frameBytes, framed, Rig } from './testing.ts';

/** What is cheap to send, and must be no dearer to receive. */

const nothing = new Uint8Array(0);
const message = new TextEncoder().encode('x');
const { enhanceYourCalm } = errorCodes;
const oneByte = Uint8Array.of(0, 0, 0, 1);

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function heldBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** How often streams were looked at for something to send. */
async function pumped(work: () => Promise<void>): Promise<number> {
  const { pump } = Http2Stream.prototype;
  let count = 0;
  Http2Stream.prototype.pump = function (this: Http2Stream) {
    count += 1;
    pump.call(this);
  };
  try {
    await work();
  } finally {
    Http2Stream.prototype.pump = pump;
  }
  return count;
}

test('calls that we are made to reset (CVE-2025-8671) count as those that are reset', async () => {
  const provocations = {
    'a window widened by nothing': (rig: Rig, stream: number) =>
      rig.send(frameTypes.windowUpdate, 0, stream, new Uint8Array(4)),
    'content after the end': (rig: Rig, stream: number) =>
      rig.send(frameTypes.data, frameFlags.endStream, stream, message),
    'a priority of a wrong size': (rig: Rig, stream: number) =>
      rig.send(frameTypes.priority, 0, stream, new Uint8Array(4)),
  };
  for (const [what, provoke] of Object.entries(provocations)) {
    const rig = new Rig({ limits: { resets: { burst: 50, perSecond: 1 } } });
    for (let stream = 1; stream < 2 * 200; stream += 2) {
      rig.call(stream, '/t/Wait', message);
      provoke(rig, stream);
    }
    assert.equal(await rig.sentAway(), enhanceYourCalm, what);
    assert.ok(rig.seen.started <= 51, `${what}: ${rig.seen.started} handlers were started`);
  }
});

test('a connection window widened without end does not look at calls that wait for windows of their own', async () => {
  const rig = new Rig({ greet: false });
  rig.greet([[settingIds.initialWindowSize, 0]]);
  for (let stream = 1; stream < 1000; stream += 2) rig.call(stream, '/t/Echo', message);
  await rig.ping();
  const looks = await pumped(async () => {
    for (let count = 0; count < 1000; count++) rig.send(frameTypes.windowUpdate, 0, 0, oneByte);
    await rig.ping();
  });
  assert.ok(looks < 10, `${looks} looks for 1,000 frames`);
  rig.send(frameTypes.settings, 0, 0, settingsPayload([[settingIds.initialWindowSize, 100]]));
  for (let stream = 1; stream < 1000; stream += 2) {
    assert.deepEqual((await rig.answer(stream)).messages, [message]);
  }
});

test('a connection window widened byte by byte looks at one call for each byte', async () => {
  const rig = new Rig();
  // All of the window but ten bytes.
  rig.call(1, '/t/Many', Uint8Array.of(1, 0xff, 0xf0));
  await rig.ping();
  for (let stream = 3; stream < 1003; stream += 2) rig.call(stream, '/t/Echo', new Uint8Array(20));
  await rig.ping();
  const looks = await pumped(async () => {
    for (let count = 0; count < 1000; count++) rig.send(frameTypes.windowUpdate, 0, 0, oneByte);
    await rig.ping();
  });
  assert.ok(looks < 1100, `${looks} looks for 1,000 frames`);
  rig.send(frameTypes.windowUpdate, 0, 0, Uint8Array.of(0, 1, 0, 0));
  for (let stream = 3; stream < 1003; stream += 2) {
    assert.deepEqual((await rig.answer(stream)).messages, [new Uint8Array(20)]);
  }
});

test('settings, each of which concerns all open calls, have a pace of their own', async () => {
  const rig = new Rig({ limits: { settings: { burst: 20, perSecond: 10 } } });
  for (let stream = 1; stream < 200; stream += 2) rig.call(stream, '/t/EchoAll');
  await rig.ping();
  const change = (bytes: number) =>
    rig.send(frameTypes.settings, 0, 0, settingsPayload([[settingIds.initialWindowSize, bytes]]));
  // One came as a greeting.
  for (let count = 1; count < 20; count++) change(count);
  assert.ok(await rig.ping());
  await rig.runtime.advance(1000);
  for (let count = 0; count < 10; count++) change(count);
  assert.ok(await rig.ping());
  change(1);
  assert.equal(await rig.sentAway(), enhanceYourCalm);
});

test('frames of nothing but padding, and ends that are no ends, are a flood like others', async () => {
  const floods = {
    padding: frameBytes(frameTypes.data, frameFlags.padded, 1, Uint8Array.of(3, 0, 0, 0)),
    'farewells without leaving': frameBytes(frameTypes.goAway, 0, 0, new Uint8Array(8)),
    'acknowledged settings': frameBytes(frameTypes.settings, frameFlags.ack, 0, nothing),
    'answers to pings': frameBytes(frameTypes.ping, frameFlags.ack, 0, new Uint8Array(8)),
  };
  for (const [what, frame] of Object.entries(floods)) {
    const rig = new Rig({ limits: { idleFrames: { burst: 100, perSecond: 1 } } });
    rig.call(1, '/t/EchoAll');
    rig.client.write(Buffer.concat(Array.from({ length: 300 }, () => frame)));
    assert.equal(await rig.sentAway(), enhanceYourCalm, what);
  }
});

const manyEmpty = Buffer.concat(Array.from({ length: 3000 }, () => framed(nothing)));

test('messages without content count as long as no handler takes them', async () => {
  for (const end of [0, frameFlags.endStream]) {
    const rig = new Rig({ greet: false, limits: { maxPartialBytes: 2_000_000 } });
    rig.greet([[settingIds.initialWindowSize, 0]]);
    for (let stream = 1; stream < 20; stream += 2) {
      rig.call(stream, '/t/EchoAll');
      // The answer to this one finds no window, which holds up the handler.
      rig.send(frameTypes.data, 0, stream, framed(new Uint8Array(16_000)));
      for (let more = 0; more < 3; more++)
        rig.send(frameTypes.data, 0, stream, framed(new Uint8Array(16_000)));
      for (let more = 0; more < 2; more++)
        rig.send(frameTypes.data, 0, stream, framed(new Uint8Array(16_000)));
      rig.send(frameTypes.data, end, stream, manyEmpty);
    }
    const refused = await rig.next(
      ({ type, fields }) => type === frameTypes.headers && new Map(fields).get('grpc-status') === '8',
    );
    assert.ok(refused !== undefined && refused.stream > 3, `${refused?.stream}`);
  }
});

test('a message that waits for the end of its request holds no more than itself', async () => {
  const rig = new Rig();
  await rig.ping();
  const junk = frameBytes(77, 0, 0, new Uint8Array(16_000));
  const before = heldBytes();
  const paths = ['/t/Echo', '/t/Many'];
  for (let stream = 1; stream < 2000; stream += 2) {
    const head = frameBytes(
      frameTypes.headers,
      frameFlags.endHeaders,
      stream,
      rig.block(paths[((stream - 1) / 2) % 2] as string),
    );
    const data = frameBytes(frameTypes.data, 0, stream, framed(Uint8Array.of(0)));
    // All of it in one piece, as a socket gives it.
    rig.client.write(Buffer.concat([head, data, junk, junk, junk]));
  }
  await rig.ping();
  // V8 gives memory of arrays back beside the program: what it has not come to yet is not held.
  let grown = heldBytes() - before;
  for (let look = 0; look < 200 && grown >= 24_000_000; look++) {
    await setTimeout(10);
    grown = heldBytes() - before;
  }
  // Of 48 MB that were sent.
  assert.ok(grown < 24_000_000, `${grown} bytes are held by 1,000 calls of a byte each`);
  rig.send(frameTypes.data, frameFlags.endStream, 1, nothing);
  assert.deepEqual((await rig.answer(1)).messages, [Uint8Array.of(0)]);
});

test('an answer that nobody reads holds no more than itself', async () => {
  const rig = new Rig({ greet: false });
  rig.greet([[settingIds.initialWindowSize, 0]]);
  await rig.ping();
  const before = heldBytes();
  const junk = frameBytes(77, 0, 0, new Uint8Array(16_000));
  for (let stream = 1; stream < 2000; stream += 2) {
    const head = frameBytes(frameTypes.headers, frameFlags.endHeaders, stream, rig.block('/t/Echo'));
    const data = frameBytes(frameTypes.data, frameFlags.endStream, stream, framed(message));
    // The answer is a part of what came, as others are parts of what many answers are written to.
    rig.client.write(Buffer.concat([head, data, junk, junk, junk]));
  }
  await rig.ping();
  let grown = heldBytes() - before;
  for (let look = 0; look < 200 && grown >= 24_000_000; look++) {
    await setTimeout(10);
    grown = heldBytes() - before;
  }
  assert.ok(grown < 24_000_000, `${grown} bytes are held by 1,000 answers of a byte each`);
  rig.send(frameTypes.settings, 0, 0, settingsPayload([[settingIds.initialWindowSize, 100]]));
  assert.deepEqual((await rig.answer(1999)).messages, [message]);
});

test('who reads no answers is given no more of the large ones above a bound', async () => {
  const rig = new Rig({ greet: false, limits: { maxAnswerBytes: 500_000 } });
  rig.greet([[settingIds.initialWindowSize, 0]]);
  const large = new Uint8Array(20_000).fill(7);
  // All are under way before the first one is answered.
  for (let stream = 1; stream < 101; stream += 2) {
    rig.call(stream, '/t/Wait');
    const bytes = framed(large);
    rig.send(frameTypes.data, 0, stream, bytes.subarray(0, 15_000));
    rig.send(frameTypes.data, frameFlags.endStream, stream, bytes.subarray(15_000));
  }
  await rig.ping();
  rig.seen.release();
  const refused = new Set<number>();
  const isRefusal = ({ type, flags }: { type: number; flags: number }) =>
    type === frameTypes.headers && (flags & frameFlags.endStream) !== 0;
  while (refused.size < 25) {
    const frame = await rig.next(isRefusal);
    assert.equal(new Map(frame?.fields).get('grpc-message'), 'grpc: too many answers wait to be read');
    refused.add(frame?.stream ?? 0);
  }
  rig.send(frameTypes.windowUpdate, 0, 0, Uint8Array.of(0, 0x20, 0, 0));
  rig.send(frameTypes.settings, 0, 0, settingsPayload([[settingIds.initialWindowSize, 1_000_000]]));
  for (let stream = 1; stream < 101; stream += 2) {
    if (refused.has(stream)) continue;
    const { messages } = await rig.answer(stream);
    assert.ok(messages.length === 1 && Buffer.from(large).equals(messages[0] ?? nothing));
  }
});

test('who pings more often than allowed is cut off at the third time, as by gRPC for Go', async () => {
  const rig = new Rig({ limits: { keepAliveMinTimeMs: 5000 } });
  for (let count = 0; count < 3; count++) assert.ok(await rig.ping());
  rig.send(frameTypes.ping, 0, 0, new Uint8Array(8));
  const frame = await rig.next(({ type }) => type === frameTypes.goAway);
  assert.equal(frame?.payload[7], enhanceYourCalm);
  assert.equal(new TextDecoder().decode(frame?.payload.subarray(8)), 'too_many_pings');
});

test('pings at their pace while a call is open, and those after something was sent, are answered for ever', async () => {
  const rig = new Rig({ limits: { keepAliveMinTimeMs: 5000, keepAliveIntervalMs: 2 ** 30 } });
  rig.call(1, '/t/EchoAll');
  for (let count = 0; count < 20; count++) {
    assert.ok(await rig.ping());
    await rig.runtime.advance(5000);
  }
  for (let stream = 3; stream < 43; stream += 2) {
    rig.call(stream, '/t/Echo', message);
    await rig.answer(stream);
    assert.ok(await rig.ping());
  }
  // Without a call, the same pace is too much.
  rig.send(frameTypes.data, frameFlags.endStream, 1, nothing);
  await rig.answer(1);
  for (let count = 0; count < 3; count++) {
    assert.ok(await rig.ping());
    await rig.runtime.advance(5000);
  }
  rig.send(frameTypes.ping, 0, 0, new Uint8Array(8));
  assert.equal(await rig.sentAway(), enhanceYourCalm);
});

test('content of a plain request that comes byte by byte is kept in larger pieces', async () => {
  let read: () => void = () => {};
  const mayRead = new Promise<void>((resolve) => {
    read = resolve;
  });
  const pieces: Uint8Array[] = [];
  const rig = new Rig({
    onHttp: async (exchange) => {
      await mayRead;
      for await (const piece of exchange.content()) pieces.push(piece);
      exchange.respond(204, []);
      exchange.end();
    },
  });
  rig.send(frameTypes.headers, frameFlags.endHeaders, 1, rig.block('/v3/x', [], 'text/plain'));
  for (let count = 0; count < 5000; count++) {
    rig.send(frameTypes.data, count === 4999 ? frameFlags.endStream : 0, 1, Uint8Array.of(count));
  }
  await rig.ping();
  read();
  await rig.next(({ type }) => type === frameTypes.headers);
  assert.deepEqual(Buffer.concat(pieces), Buffer.from(Array.from({ length: 5000 }, (_, at) => at % 256)));
  assert.ok(pieces.length < 10, `${pieces.length} pieces`);
});

test('a thousand connections that say nothing after their greeting hold little', async () => {
  const first = new Rig();
  await first.ping();
  const before = heldBytes();
  const rigs = Array.from({ length: 1000 }, () => new Rig({ beside: first }));
  for (const rig of rigs) await rig.ping();
  const each = (heldBytes() - before) / rigs.length;
  // Both sides of each.
  assert.ok(each < 40_000, `${each} bytes for each`);
  assert.equal(first.server.connectionCount, 1001);
});
