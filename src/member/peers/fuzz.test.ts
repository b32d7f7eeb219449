import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fuzzRuns, hostile } from '../../../test/mutations.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Entry, RaftMessage } from '../../raft/index.ts';
import type { Connection } from '../../runtime/index.ts';
import { manualRuntime } from '../../runtime/testing.ts';
import { silentLogger } from '../logger.ts';
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from '../requests.ts';
import {
  decodeSnapshotAcknowledgement,
  decodeSnapshotChunk,
  encodeSnapshotAcknowledgement,
  encodeSnapshotChunk,
} from '../snapshot-frames.ts';
import { decodeAnnouncement, encodeAnnouncement } from '../status.ts';
import {
  decodeGreeting,
  encodeGreeting,
  FrameSplitter,
  frameHead,
  frameKinds,
  type Greeting,
  type Refusal,
} from './frames.ts';
import { decodeRaftMessage, encodeRaftMessage } from './raft-codec.ts';
import { PeerTransport } from './transport.ts';

const id = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 60 });
const entries = fc.array(
  fc.record({
    index: id,
    term: id,
    kind: fc.constant('command' as const),
    data: bytes,
  }) as fc.Arbitrary<Entry>,
  { maxLength: 5 },
);
const raft = fc.oneof(
  fc.record({
    ...{ group: id, from: id, to: id, term: id, type: fc.constant('append') },
    ...{ previousIndex: id, previousTerm: id, commitIndex: id, session: id, readContext: id },
    ...{ sentAtMs: fc.double(), entries },
  }),
  fc.record({
    ...{ group: id, from: id, to: id, term: id, type: fc.constant('vote'), lastIndex: id, lastTerm: id },
    ...{ transfer: fc.boolean(), hinted: fc.boolean() },
  }),
) as fc.Arbitrary<RaftMessage>;

const snapshotChunk = fc
  .record({ session: id, term: id, sequence: id, last: fc.boolean(), data: bytes, index: id })
  .map(({ index, ...chunk }) =>
    encodeSnapshotChunk({ ...chunk, meta: { index, term: 1, configuration: { voters: [1, 2, 3] } } }),
  );

const decoders: Record<string, [decode: (input: Uint8Array) => unknown, valid: fc.Arbitrary<Uint8Array>]> = {
  'a Raft message': [
    (input) => decodeRaftMessage(1, input),
    raft.map((message) => encodeRaftMessage(message)),
  ],
  'a greeting': [
    decodeGreeting,
    fc
      .record({
        ...{
          version: fc.nat(),
          clusterId: id,
          from: id,
          to: id,
          fresh: fc.boolean(),
          configurationIndex: id,
        },
        peerUrls: fc.array(fc.webUrl(), { maxLength: 4 }),
      })
      .map(encodeGreeting),
  ],
  'a request to the leader': [
    decodeRequest,
    fc
      .record({ requestId: id, encoded: bytes })
      .map((request) => encodeRequest({ type: 'propose', ...request })),
  ],
  'an answer of the leader': [
    decodeResponse,
    fc
      .record({ requestId: id, encodedResult: bytes, index: id })
      .map((response) => encodeResponse({ type: 'proposed', ...response })),
  ],
  'a piece of a snapshot': [decodeSnapshotChunk, snapshotChunk],
  'an acknowledgement of a piece': [
    decodeSnapshotAcknowledgement,
    fc.record({ session: id, sequence: id, ok: fc.boolean() }).map(encodeSnapshotAcknowledgement),
  ],
  'an announcement': [
    decodeAnnouncement,
    fc
      .record({ name: fc.string(), clientUrls: fc.array(fc.webUrl(), { maxLength: 4 }) })
      .map(encodeAnnouncement),
  ],
};

for (const [what, [decode, valid]] of Object.entries(decoders)) {
  test(`${what} that is none, or was changed on the way, is decoded or refused in so many words`, () => {
    fc.assert(
      fc.property(hostile(valid), (input) => {
        try {
          decode(input);
        } catch (error) {
          assert.ok(ConclaveError.is(error, 'invalid-argument'), String(error));
        }
      }),
      fuzzRuns,
    );
  });
}

test('a stream of frames that was changed on the way gives frames within it, or is refused', () => {
  const frames = fc
    .array(fc.tuple(fc.constantFrom(...Object.values(frameKinds)), id, bytes), { maxLength: 6 })
    .map((all) =>
      Buffer.concat(
        all.flatMap(([kind, group, payload]) => [frameHead(kind, group, payload.length), payload]),
      ),
    );
  fc.assert(
    fc.property(hostile(frames), fc.integer({ min: 1, max: 50 }), (stream, step) => {
      const splitter = new FrameSplitter();
      let deliveredBytes = 0;
      try {
        for (let offset = 0; offset < stream.length; offset += step) {
          splitter.push(stream.subarray(offset, offset + step), (frame) => {
            deliveredBytes += frame.payload.length;
          });
        }
      } catch (error) {
        assert.ok(ConclaveError.is(error, 'invalid-argument'), String(error));
      }
      assert.ok(deliveredBytes <= stream.length);
    }),
    fuzzRuns,
  );
});

/** Members 1 and 2 are the cluster. */
const usual = {
  admit: ({ from }: Greeting): Refusal | undefined =>
    from === 2 ? undefined : { code: 'unknown', text: 'no member' },
  greeting: () => ({ fresh: false, configurationIndex: 0, peerUrls: [] }),
  onRefusal: () => {},
  addressesOf: () => [],
  toldCluster: () => Uint8Array.of(123, 125),
};

test('whatever a stranger sends to the peer port, nothing reaches the member, and a member is still let in', async () => {
  const runtime = manualRuntime();
  const delivered: number[] = [];
  const transport = new PeerTransport({
    ...{ runtime, logger: silentLogger, clusterId: 7, memberId: 1 },
    listen: [{ host: '127.0.0.1', port: 3001 }],
    peers: [{ memberId: 2, addresses: [{ host: '127.0.0.1', port: 3002 }] }],
    announcement: new Uint8Array(),
    onFrame: (_peer, frame) => delivered.push(frame.kind),
    onLink: () => {},
    ...usual,
  });
  await transport.start();
  const dial = async (): Promise<Connection> => {
    const dialling = runtime.network.connect({ host: '127.0.0.1', port: 3001 }, { timeoutMs: 1000 });
    await runtime.advance(0);
    return dialling;
  };
  const greeting = fc
    .record({ version: fc.nat(), clusterId: fc.constantFrom(7, 8), from: fc.constantFrom(1, 3), to: id })
    .map(encodeGreeting)
    .map((payload) => Buffer.concat([frameHead(frameKinds.greeting, 0, payload.length), payload]));
  await fc.assert(
    fc.asyncProperty(hostile(greeting), async (input) => {
      const connection = await dial();
      connection.write([input]);
      await runtime.advance(0);
      connection.destroy();
      await runtime.advance(0);
      assert.deepEqual(delivered, []);
    }),
    { numRuns: 300 },
  );
  const member = await dial();
  const hello = encodeGreeting({ version: 1, clusterId: 7, from: 2, to: 1 });
  member.write([frameHead(frameKinds.greeting, 0, hello.length), hello]);
  member.write([frameHead(frameKinds.raft, 1, 3), Uint8Array.of(1, 2, 3)]);
  await runtime.advance(10);
  assert.deepEqual(delivered, [frameKinds.raft]);
  await transport.close();
});

test('a stranger who announces a large frame is sent away before any of it is kept', async () => {
  const runtime = manualRuntime();
  const transport = new PeerTransport({
    ...{ runtime, logger: silentLogger, clusterId: 7, memberId: 1, announcement: new Uint8Array() },
    listen: [{ host: '127.0.0.1', port: 3001 }],
    ...{ peers: [], onFrame: () => {}, onLink: () => {} },
    ...usual,
  });
  await transport.start();
  const dialling = runtime.network.connect({ host: '127.0.0.1', port: 3001 }, { timeoutMs: 1000 });
  await runtime.advance(0);
  const connection = await dialling;
  let closed = false;
  connection.onClose = () => {
    closed = true;
  };
  connection.write([frameHead(frameKinds.greeting, 0, 1_000_000)]);
  await runtime.advance(10);
  assert.equal(closed, true);
  await transport.close();
});
