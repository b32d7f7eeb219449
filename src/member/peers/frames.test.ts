import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeGreeting,
  decodeRefusal,
  encodeGreeting,
  encodeRefusal,
  FrameSplitter,
  frameHead,
  frameKinds,
  maxFrameBytes,
} from './frames.ts';

const frameArbitrary = fc.record(
  {
    kind: fc.constantFrom(...Object.values(frameKinds)),
    group: fc.maxSafeNat(),
    payload: fc.uint8Array({ maxLength: 300 }),
  },
  { noNullPrototype: true },
);

test('frames come out whole and in order, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(frameArbitrary, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }),
      (frames, cuts) => {
        const stream = Buffer.concat(
          frames.flatMap((frame) => [
            frameHead(frame.kind, frame.group, frame.payload.length),
            frame.payload,
          ]),
        );
        const splitter = new FrameSplitter();
        const received: unknown[] = [];
        let offset = 0;
        for (let turn = 0; offset < stream.length; turn++) {
          const length = cuts[turn % cuts.length] as number;
          splitter.push(stream.subarray(offset, offset + length), (frame) =>
            received.push({ kind: frame.kind, group: frame.group, payload: Uint8Array.from(frame.payload) }),
          );
          offset += length;
        }
        assert.deepEqual(received, frames);
      },
    ),
  );
});

test('a frame whose length is out of bounds is refused before anything is kept for it', () => {
  for (const length of [0, 8, maxFrameBytes + 1, 0xffff_ffff]) {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(length);
    assert.throws(() => new FrameSplitter().push(head, () => assert.fail('nothing may be delivered')), {
      code: 'invalid-argument',
    });
  }
});

test('a greeting survives its encoding, and what is none is refused', () => {
  const first = { version: 1, clusterId: 2 ** 48, from: 5, to: 2 ** 53 - 1 };
  const greeting = {
    ...first,
    fresh: true,
    configurationIndex: 2 ** 40,
    peerUrls: ['http://a:1', 'http://b:2'],
  };
  assert.deepEqual(decodeGreeting(encodeGreeting(greeting)), greeting);
  const unsaid = { fresh: false, configurationIndex: 0, peerUrls: [] };
  assert.deepEqual(decodeGreeting(encodeGreeting(first)), { ...first, ...unsaid });
  assert.throws(() => decodeGreeting(Buffer.from('GET / HTTP/1.1\r\nHost: conclave\r\n\r\n')), {
    code: 'invalid-argument',
  });
  assert.throws(() => decodeGreeting(encodeGreeting(greeting).subarray(0, 20)), { code: 'invalid-argument' });
});

test('a refusal carries its code behind the text, and one of the first, without a code, is some other one', () => {
  const refusal = { code: 'lost-data', text: 'Its data is gone.' } as const;
  assert.deepEqual(decodeRefusal(encodeRefusal(refusal)), refusal);
  assert.deepEqual(decodeRefusal(Buffer.from('No.')), { code: 'other', text: 'No.' });
});
