import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RaftMessage } from '../../raft/index.ts';
import { frameHead, frameKinds } from './frames.ts';
import { decodeRaftMessage, encodeRaftFrame, encodeRaftMessage } from './raft-codec.ts';

const id = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const number = fc.double({ min: 0, max: 1e12, noNaN: true });
const base = { group: id, from: id, to: id, term: id };
const session = { session: id, readContext: id, sentAtMs: number };

const plain = { noNullPrototype: true } as const;

const messageArbitrary: fc.Arbitrary<RaftMessage> = fc.oneof(
  fc.record(
    {
      ...base,
      type: fc.constantFrom('pre-vote', 'vote'),
      lastIndex: id,
      lastTerm: id,
      transfer: fc.boolean(),
      hinted: fc.boolean(),
    },
    plain,
  ),
  fc.record(
    { ...base, type: fc.constantFrom('pre-vote-response', 'vote-response'), granted: fc.boolean() },
    plain,
  ),
  fc
    .record(
      {
        ...base,
        ...session,
        type: fc.constant('append' as const),
        previousIndex: fc.integer({ min: 0, max: 2 ** 40 }),
        previousTerm: id,
        commitIndex: id,
        entries: fc.array(
          fc.record(
            {
              term: id,
              kind: fc.constantFrom('command', 'empty', 'configuration'),
              data: fc.uint8Array(),
            },
            plain,
          ),
        ),
      },
      plain,
    )
    .map((message) => ({
      ...message,
      entries: message.entries.map((entry, position) => ({
        ...entry,
        index: message.previousIndex + 1 + position,
      })),
    })),
  fc.record(
    {
      ...base,
      ...session,
      type: fc.constant('append-response' as const),
      accepted: fc.boolean(),
      matchIndex: id,
      hintIndex: id,
      hintTerm: id,
    },
    plain,
  ),
  fc.record(
    {
      ...base,
      ...session,
      type: fc.constant('heartbeat' as const),
      commitIndex: id,
      roundTripMs: number,
      wantsAnswer: fc.boolean(),
    },
    plain,
  ),
  fc.record({ ...base, ...session, type: fc.constant('heartbeat-response' as const) }, plain),
  fc.record({ ...base, type: fc.constant('timeout-now' as const) }, plain),
  fc.record({ ...base, type: fc.constant('read-index' as const), readContext: id }, plain),
  fc.record(
    {
      ...base,
      type: fc.constant('read-index-response' as const),
      readContext: id,
      index: id,
      ok: fc.boolean(),
    },
    plain,
  ),
);

test('every Raft message survives its encoding', () => {
  fc.assert(
    fc.property(messageArbitrary, (message) => {
      const payload = encodeRaftMessage(message);
      assert.deepEqual(decodeRaftMessage(message.group, payload), message);
      const head = frameHead(frameKinds.raft, message.group, payload.length);
      assert.ok(Buffer.concat([head, payload]).equals(encodeRaftFrame(message)));
    }),
  );
});

test('a truncated or random frame gives a clear error and nothing else', () => {
  fc.assert(
    fc.property(messageArbitrary, fc.nat(), (message, cut) => {
      const encoded = encodeRaftMessage(message);
      assert.throws(() => decodeRaftMessage(1, encoded.subarray(0, cut % encoded.length)), {
        code: 'invalid-argument',
      });
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
      try {
        decodeRaftMessage(1, data);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'invalid-argument');
      }
    }),
  );
});
