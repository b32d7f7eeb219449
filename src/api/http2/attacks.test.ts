import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { errorCodes, frameFlags, frameTypes, settingIds, settingsPayload } from './frames.ts';
import { frameBytes, framed, Rig } from './testing.ts';

const nothing = new Uint8Array(0);
const message = new TextEncoder().encode('x');

test('rapid reset (CVE-2023-44487): who opens and resets without end is sent away', async () => {
  const rig = new Rig({ limits: { resets: { burst: 50, perSecond: 1 } } });
  for (let stream = 1; stream < 2 * 200; stream += 2) {
    rig.call(stream, '/t/Wait', message);
    rig.send(frameTypes.resetStream, 0, stream, Uint8Array.of(0, 0, 0, errorCodes.cancel));
  }
  assert.equal(await rig.sentAway(), errorCodes.enhanceYourCalm);
  assert.ok(rig.seen.started <= 51, `${rig.seen.started} handlers were started`);
});

test('calls that were reset count as long as their handlers run', async () => {
  const rig = new Rig({ limits: { maxConcurrentStreams: 3 } });
  for (let stream = 1; stream < 7; stream += 2) {
    rig.call(stream, '/t/Wait', message);
    rig.send(frameTypes.resetStream, 0, stream, Uint8Array.of(0, 0, 0, errorCodes.cancel));
  }
  rig.call(7, '/t/Wait', message);
  const refused = await rig.next((frame) => frame.type === frameTypes.resetStream);
  assert.deepEqual([refused?.stream, refused?.payload[3]], [7, errorCodes.refusedStream]);
  rig.seen.release();
  await rig.ping();
  rig.call(9, '/t/Echo', message);
  assert.deepEqual((await rig.answer(9)).messages, [message]);
});

test('a header block in frames without end (CVE-2024-27316) is sent away before it is kept', async () => {
  for (const piece of [new Uint8Array(16_000), Uint8Array.of(0x82), nothing]) {
    const rig = new Rig();
    rig.send(frameTypes.headers, 0, 1, Uint8Array.of(0x83));
    for (let count = 0; count < 100; count++) rig.send(frameTypes.continuation, 0, 1, piece);
    assert.equal(await rig.sentAway(), errorCodes.enhanceYourCalm);
  }
});

test('a header bomb, small on the wire and large when unpacked, is refused and the connection goes on', async () => {
  const rig = new Rig({ limits: { maxHeaderListBytes: 8192 } });
  // One field of 3,000 bytes goes into the table; a byte each refers to it.
  const value = new Uint8Array(3000).fill(0x61);
  const literal = Uint8Array.of(0x40, 1, 0x62, 0x7f, 0xb9, 0x16, ...value);
  rig.send(frameTypes.headers, frameFlags.endHeaders | frameFlags.endStream, 1, literal);
  const bomb = new Uint8Array(16_000).fill(0xbe);
  rig.send(frameTypes.headers, frameFlags.endHeaders | frameFlags.endStream, 3, bomb);
  assert.equal((await rig.answer(3)).trailers.get('grpc-status'), '8');
  rig.call(5, '/t/Echo', message);
  assert.deepEqual((await rig.answer(5)).messages, [message]);
});

test('pings, settings, priorities and empty content without end are sent away', async () => {
  const floods = {
    ping: frameBytes(frameTypes.ping, 0, 0, new Uint8Array(8)),
    settings: frameBytes(frameTypes.settings, 0, 0, settingsPayload([[settingIds.initialWindowSize, 100]])),
    priority: frameBytes(frameTypes.priority, 0, 9, new Uint8Array(5)),
    'empty content': frameBytes(frameTypes.data, 0, 1, nothing),
    'unknown frames': frameBytes(77, 0, 0, nothing),
  };
  for (const [what, frame] of Object.entries(floods)) {
    const rig = new Rig({ limits: { idleFrames: { burst: 100, perSecond: 1 } } });
    rig.call(1, '/t/EchoAll');
    rig.client.write(Buffer.concat(Array.from({ length: 300 }, () => frame)));
    assert.equal(await rig.sentAway(), errorCodes.enhanceYourCalm, what);
  }
});

test('who reads nothing is not read from, so that answers to it do not pile up', async () => {
  const rig = new Rig({ limits: { maxUnsentBytes: 64 * 1024 } });
  await rig.ping();
  rig.client.pause();
  // Far more pings than their answers have room: most stay with the sender.
  const pings = Buffer.concat(Array.from({ length: 1000 }, () => frameBytes(6, 0, 0, new Uint8Array(8))));
  let written = 0;
  for (let round = 0; round < 19; round++) {
    if (rig.client.write(pings)) written += 1;
    await new Promise(setImmediate);
  }
  assert.ok(rig.client.writableLength > 0, `all of ${written} were taken`);
  rig.client.resume();
  rig.call(1, '/t/Echo', message);
  assert.deepEqual((await rig.answer(1)).messages, [message]);
});

for (const path of ['/t/Many', '/t/Ready']) {
  test(`a window of nothing holds up its own stream, and a handler goes no further than the queue: ${path}`, async () => {
    const rig = new Rig({ greet: false });
    rig.greet([[settingIds.initialWindowSize, 0]]);
    rig.call(1, path, Uint8Array.of(200, 0x40, 0));
    await rig.ping();
    await rig.ping();
    assert.ok(rig.seen.finished < 20, `${rig.seen.finished} messages of 16 KiB were made`);
    rig.send(frameTypes.windowUpdate, 0, 0, Uint8Array.of(0, 0xff, 0, 0));
    rig.send(frameTypes.windowUpdate, 0, 1, Uint8Array.of(0, 0xff, 0, 0));
    assert.equal((await rig.answer(1)).messages.length, 200);
  });
}

test('a large answer that waits for its window keeps no other call of its connection out', async () => {
  const rig = new Rig({ greet: false, limits: { maxUnsentBytes: 4096 } });
  rig.greet([[settingIds.initialWindowSize, 0]]);
  rig.call(1, '/t/Many', Uint8Array.of(1, 0xff, 0));
  await rig.ping();
  rig.call(3, '/t/Echo', message);
  await rig.ping();
  rig.send(frameTypes.windowUpdate, 0, 3, Uint8Array.of(0, 0, 0xff, 0));
  assert.deepEqual((await rig.answer(3)).messages, [message]);
});

test('incomplete requests of one connection hold no more than their bound together', async () => {
  const rig = new Rig({ limits: { maxPartialBytes: 100_000 } });
  for (let stream = 1; stream < 40; stream += 2) {
    rig.call(stream, '/t/Echo');
    rig.send(frameTypes.data, 0, stream, framed(new Uint8Array(100_000)).subarray(0, 10_000));
  }
  const { trailers } = await rig.answer(21);
  assert.equal(trailers.get('grpc-status'), '8');
  // Those that were there first are served when the rest of them comes.
  for (let sent = 10_000; sent < 100_005; sent += 10_000) {
    const piece = framed(new Uint8Array(100_000)).subarray(sent, sent + 10_000);
    rig.send(frameTypes.data, sent + 10_000 > 100_005 ? frameFlags.endStream : 0, 37, piece);
  }
  await rig.ping();
});

test('requests that have come but are never said to be all count as incomplete ones do', async () => {
  const whole = framed(new Uint8Array(1000));
  for (const path of ['/t/Echo', '/t/Many']) {
    const rig = new Rig({ limits: { maxPartialBytes: 10_000 } });
    for (let stream = 1; stream < 40; stream += 2) {
      rig.call(stream, path);
      rig.send(frameTypes.data, 0, stream, whole);
    }
    assert.equal((await rig.answer(21)).trailers.get('grpc-status'), '8');
    // What was refused is free again, and so is what is said to be all.
    for (let stream = 1; stream < 20; stream += 2)
      rig.send(frameTypes.data, frameFlags.endStream, stream, nothing);
    for (let stream = 1; stream < 20; stream += 2) await rig.answer(stream);
    rig.call(41, path);
    rig.send(frameTypes.data, 0, 41, whole);
    rig.send(frameTypes.data, frameFlags.endStream, 41, nothing);
    assert.equal((await rig.answer(41)).trailers.get('grpc-status'), '0');
  }
});

test('of many connections with incomplete requests, those that hold most are ended, and the others go on', async () => {
  const first = new Rig({ limits: { maxPartialBytesOfAll: 100_000 } });
  const rigs = [first, ...Array.from({ length: 3 }, () => new Rig({ beside: first }))] as const;
  const [, modest, , greedy] = rigs;
  const [message, smaller] = [framed(new Uint8Array(90_000)), framed(new Uint8Array(60_000))];
  for (const rig of rigs) {
    rig.call(1, '/t/Echo');
    rig.send(
      frameTypes.data,
      0,
      1,
      rig === greedy ? message.subarray(0, 15_000) : smaller.subarray(0, 10_000),
    );
    await rig.ping();
  }
  for (let sent = 15_000; sent < 75_000; sent += 10_000) {
    greedy?.send(frameTypes.data, 0, 1, message.subarray(sent, sent + 10_000));
  }
  assert.equal(await greedy?.sentAway(), errorCodes.enhanceYourCalm);
  assert.deepEqual(first.refusals, ['too many incomplete messages']);
  for (let sent = 10_000; sent < smaller.length; sent += 10_000) {
    const last = sent + 10_000 >= smaller.length;
    modest?.send(frameTypes.data, last ? frameFlags.endStream : 0, 1, smaller.subarray(sent, sent + 10_000));
  }
  assert.equal((await modest?.answer(1))?.trailers.get('grpc-status'), '0');
});

test('large requests whose handlers run are bounded together, and each connection may have one', async () => {
  const first = new Rig({ limits: { maxRunningBytesOfAll: 150_000 } });
  const second = new Rig({ beside: first });
  // All answers fit into the window.
  for (const rig of [first, second]) rig.send(frameTypes.windowUpdate, 0, 0, Uint8Array.of(0, 16, 0, 0));
  const large = new Uint8Array(50_000).fill(7);
  const send = (rig: Rig, stream: number, path: string, message: Uint8Array): void => {
    rig.call(stream, path);
    const whole = framed(message);
    for (let sent = 0; sent < whole.length; sent += 10_000) {
      const last = sent + 10_000 >= whole.length;
      rig.send(frameTypes.data, last ? frameFlags.endStream : 0, stream, whole.subarray(sent, sent + 10_000));
    }
  };
  for (let stream = 1; stream < 9; stream += 2) send(first, stream, '/t/Wait', large);
  assert.equal((await first.answer(7)).trailers.get('grpc-status'), '8');
  // Small ones are not counted, and one large one of each connection is taken.
  send(first, 9, '/t/Echo', large.subarray(0, 1000));
  assert.equal((await first.answer(9)).trailers.get('grpc-status'), '0');
  send(second, 1, '/t/Wait', large);
  send(second, 3, '/t/Echo', large);
  assert.equal((await second.answer(3)).trailers.get('grpc-status'), '8');
  // To reset a call is no way around it: its handler still runs.
  first.send(frameTypes.resetStream, 0, 1, Uint8Array.of(0, 0, 0, errorCodes.cancel));
  send(first, 11, '/t/Echo', large);
  assert.equal((await first.answer(11)).trailers.get('grpc-status'), '8');
  first.seen.release();
  assert.equal((await first.answer(5)).trailers.get('grpc-status'), '0');
  assert.equal((await second.answer(1)).trailers.get('grpc-status'), '0');
  for (let stream = 13; stream < 33; stream += 2) {
    send(first, stream, '/t/Echo', large);
    assert.equal((await first.answer(stream)).trailers.get('grpc-status'), '0');
  }
});

test('headers that open calls keep are bounded together', async () => {
  const rig = new Rig({ limits: { maxPartialBytes: 100_000 } });
  for (let stream = 1; stream < 60; stream += 2) {
    // Never twice the same, so that no two calls share them.
    rig.call(stream, '/t/EchoAll', undefined, [['x-large', String(stream).padEnd(8000, 'x')]]);
  }
  assert.equal((await rig.answer(59)).trailers.get('grpc-status'), '8');
  for (let stream = 1; stream < 20; stream += 2) rig.send(frameTypes.data, frameFlags.endStream, stream);
  await rig.answer(19);
  rig.call(61, '/t/Echo', message, [['x-large', 'y'.repeat(8000)]]);
  assert.deepEqual((await rig.answer(61)).messages, [message]);
});

test('a message that is announced as larger than allowed is refused before it comes', async () => {
  const rig = new Rig({ maxMessageBytes: 1000 });
  rig.call(1, '/t/Echo');
  rig.send(frameTypes.data, 0, 1, framed(new Uint8Array(1001)).subarray(0, 5));
  assert.equal((await rig.answer(1)).trailers.get('grpc-message'), 'too large: 1001');
});

test('who says nothing for too long is cut off, at the beginning and in the middle of the greeting', async () => {
  for (const said of ['', 'PRI * HTTP/2.0\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']) {
    const rig = new Rig({ greet: false });
    rig.client.write(said);
    await rig.runtime.advance(9_999);
    assert.equal(rig.server.connectionCount, 1);
    await rig.runtime.advance(2);
    await rig.next(() => false);
    assert.equal(rig.server.connectionCount, 0);
  }
});

test('frames larger than were allowed are not waited for', async () => {
  const rig = new Rig();
  rig.client.write(Uint8Array.of(0, 0x40, 1, frameTypes.data, 0, 0, 0, 0, 1));
  assert.equal(await rig.sentAway(), errorCodes.frameSize);
});

test('more content than the windows allow is refused', async () => {
  const rig = new Rig();
  rig.call(1, '/t/Wait');
  const piece = new Uint8Array(16_384);
  const content = framed(new Uint8Array(1_000_000));
  rig.send(frameTypes.data, 0, 1, content.subarray(0, 16_384));
  // Without waiting for a window update.
  for (let count = 0; count < 20; count++) rig.send(frameTypes.data, 0, 1, piece);
  rig.call(3, '/t/Echo', message);
  assert.deepEqual((await rig.answer(3)).messages, [message]);
});

const anyFrame = fc
  .tuple(fc.integer({ min: 0, max: 11 }), fc.nat(255), fc.nat(7), fc.uint8Array({ maxLength: 60 }))
  .map(([type, flags, stream, payload]) => frameBytes(type, flags, stream, payload));

test('no sequence of frames does anything but be answered or end the connection', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyFrame, { maxLength: 30 }), async (frames) => {
      const rig = new Rig();
      rig.call(1, '/t/EchoAll');
      for (const frame of frames) rig.client.write(frame);
      const answered = await rig.ping();
      assert.ok(answered || rig.closed);
      // Others are served as before.
      const other = new Rig();
      other.call(1, '/t/Echo', message);
      assert.deepEqual((await other.answer(1)).messages, [message]);
    }),
    { numRuns: 300 },
  );
});

test('no bytes in place of frames do more either', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, greet) => {
      const rig = new Rig({ greet });
      rig.client.write(bytes);
      rig.client.end();
      await rig.next(() => false);
    }),
    { numRuns: 300 },
  );
});
