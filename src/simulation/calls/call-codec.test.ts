import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PortMessage, PortReply } from '../../client/index.ts';
import { CallSplitter, decodeCall, decodeReply, encodeCall, encodeReply } from './call-codec.ts';

const call = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const body = fc.uint8Array({ maxLength: 40 });
const kind = fc.constantFrom('end', 'cancel', 'pause', 'resume');
const message: fc.Arbitrary<PortMessage> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('open' as const),
      call,
      path: fc.constantFrom('/etcdserverpb.KV/Put', '/a/b'),
      ended: fc.boolean(),
      body,
      timeoutMs: fc.double({ min: 0, noNaN: true }),
      token: fc.stringMatching(/^[\w.-]{0,300}$/),
    },
    { requiredKeys: ['kind', 'call', 'path', 'ended'], noNullPrototype: true },
  ),
  fc.record({ kind: fc.constant('message' as const), call, body }, { noNullPrototype: true }),
  fc.record({ kind: kind as fc.Arbitrary<'end'>, call }, { noNullPrototype: true }),
);
const reply: fc.Arbitrary<PortReply> = fc.oneof(
  fc.record({ kind: fc.constant('message' as const), call, body }, { noNullPrototype: true }),
  fc.record(
    {
      kind: fc.constant('close' as const),
      call,
      error: fc.record(
        {
          code: fc.constant('timeout' as const),
          message: fc.string(),
          outcome: fc.constantFrom('unknown' as const, 'not-applied' as const),
          retryable: fc.boolean(),
        },
        { noNullPrototype: true },
      ),
    },
    { requiredKeys: ['kind', 'call'], noNullPrototype: true },
  ),
);

/** As they come out of a stream that was cut into chunks of this size. */
type Decode<T> = (data: Uint8Array, start: number, end: number) => T;

function through<T>(chunks: Uint8Array[], size: number, decode: Decode<T>): T[] {
  const stream = Buffer.concat(chunks);
  const splitter = new CallSplitter();
  const result: T[] = [];
  for (let at = 0; at < stream.length; at += size) {
    const chunk = Uint8Array.from(stream.subarray(at, at + size));
    splitter.push(chunk, (data, start, end) => result.push(plain(decode(data, start, end))));
  }
  return result;
}

function plain<T>(decoded: T): T {
  const { body: bytes } = decoded as { body?: Uint8Array };
  return bytes === undefined ? decoded : { ...decoded, body: Uint8Array.from(bytes) };
}

describe('Calls on a byte stream', () => {
  const size = fc.integer({ min: 1, max: 60 });

  test('are read as they were written, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(message), size, (messages, cut) => {
        assert.deepEqual(through(messages.map(encodeCall), cut, decodeCall), messages);
      }),
    );
  });

  test('and so are the replies', () => {
    fc.assert(
      fc.property(fc.array(reply), size, (replies, cut) => {
        assert.deepEqual(through(replies.map(encodeReply), cut, decodeReply), replies);
      }),
    );
  });
});
