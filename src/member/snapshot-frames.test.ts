import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { ByteReader, ByteWriter } from './log/bytes.ts';
import { readSnapshotMeta, writeSnapshotMeta } from './log/format.ts';
import { FrameWriter } from './peers/bytes.ts';
import { decodeSnapshotChunk, encodeSnapshotChunk } from './snapshot-frames.ts';

const configurations = [
  { voters: [1, 2, 3] },
  { voters: [1, 4], outgoing: [1, 2, 3], learners: [2 ** 40, 2], context: Uint8Array.of(0, 255, 7) },
];

test('a snapshot carries its whole configuration, between members and on disk', () => {
  for (const configuration of configurations) {
    const meta = { index: 7, term: 3, configuration };
    const chunk = { session: 5, term: 4, meta, sequence: 0, last: true, data: Uint8Array.of(1, 2) };
    assert.deepEqual(decodeSnapshotChunk(encodeSnapshotChunk(chunk)), chunk);
    const writer = new ByteWriter(16);
    writeSnapshotMeta(writer, meta);
    assert.deepEqual(readSnapshotMeta(new ByteReader(writer.written())), meta);
  }
});

test('a chunk whose configuration makes no sense is refused', () => {
  const head = new FrameWriter(64).u53(5).u53(4).u53(7).u53(3).bytes(Uint8Array.of(9));
  const payload = head.u53(0).boolean(true).bytes(new Uint8Array(0)).finish();
  assert.throws(
    () => decodeSnapshotChunk(payload),
    (error) => ConclaveError.is(error, 'invalid-argument'),
  );
});
