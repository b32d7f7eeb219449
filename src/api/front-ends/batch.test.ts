import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StatusError } from '../status.ts';
import { BatchReader, BatchWriter, maxTextBytes } from './batch.ts';
import { readStatus, writeStatus } from './records.ts';

function gathered() {
  const batches: ArrayBuffer[] = [];
  const asked: (() => void)[] = [];
  const writer = new BatchWriter({
    send: (batch) => batches.push(batch),
    later: (flush) => asked.push(flush),
    nowMs: () => 7.5,
  });
  return { writer, batches, asked };
}

const record = fc.record({
  whole: fc.nat({ max: 0xffff_ffff }),
  number: fc.double({ noNaN: true }),
  text: fc.string({ unit: 'binary' }),
  bytes: fc.uint8Array({ maxLength: 40_000 }),
});

test('what was written is read, in its order, across batches', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 40 }), (records) => {
      const { writer, batches } = gathered();
      for (const { whole, number, text, bytes } of records) {
        writer.begin(9, 16 + maxTextBytes(text) + bytes.length);
        writer.whole(whole);
        writer.number(number);
        writer.text(text);
        writer.bytes(bytes);
      }
      writer.flush();
      const read: unknown[] = [];
      for (const batch of batches) {
        const reader = new BatchReader(batch);
        assert.equal(reader.sentAtMs, 7.5);
        while (reader.more) {
          assert.equal(reader.byte(), 9);
          const [whole, number, text] = [reader.whole(), reader.number(), reader.text()];
          read.push({ whole, number, text, bytes: Uint8Array.from(reader.keptBytes()) });
        }
      }
      const expected = records.map(({ text, ...rest }) => ({
        ...rest,
        // As UTF-8 carries it: halves of characters do not come through.
        text: Buffer.from(text).toString(),
      }));
      assert.deepEqual(read, expected);
    }),
    { numRuns: 100 },
  );
});

test('a batch that is full leaves at once, the rest when it is asked for, and once', () => {
  const { writer, batches, asked } = gathered();
  const piece = new Uint8Array(50_000);
  for (let at = 0; at < 3; at++) {
    writer.begin(1, 4 + piece.length);
    writer.bytes(piece);
  }
  assert.equal(batches.length, 1);
  for (const flush of asked) flush();
  assert.equal(batches.length, 2);
  writer.flush();
  assert.equal(batches.length, 2);
});

test('a message that is kept does not keep its batch, unless it is most of it', () => {
  const { writer, batches } = gathered();
  for (const length of [10, 30_000]) {
    writer.begin(1, 4 + length);
    writer.bytes(new Uint8Array(length));
  }
  writer.flush();
  const [batch] = batches;
  assert(batch !== undefined);
  const reader = new BatchReader(batch);
  reader.byte();
  assert.notEqual(reader.keptBytes().buffer, batch);
  reader.byte();
  assert.equal(reader.keptBytes().buffer, batch);
});

test('a status comes through whole', () => {
  const status = new StatusError(14, 'etcdserver: é', {
    code: 'timeout',
    outcome: 'unknown',
    retryable: true,
  });
  const { writer, batches } = gathered();
  writeStatus(writer, 3, status);
  writer.flush();
  const reader = new BatchReader(batches[0] as ArrayBuffer);
  assert.deepEqual([reader.byte(), reader.whole()], [4, 3]);
  const { code, message, conclave } = readStatus(reader);
  assert.deepEqual(
    { code, message, conclave },
    { code: 14, message: status.message, conclave: status.conclave },
  );
});

test('a call that waits does not keep the large message of another one beside it', () => {
  const { writer, batches } = gathered();
  for (const message of [Uint8Array.of(1, 2, 3), new Uint8Array(1_000_000)]) {
    writer.begin(3, 4 + message.length);
    writer.bytes(message);
  }
  writer.flush();
  const reader = new BatchReader(batches[0] as ArrayBuffer);
  assert.equal(reader.byte(), 3);
  const small = reader.callBytes();
  assert.deepEqual([...small], [1, 2, 3]);
  assert.ok(small.buffer.byteLength < 100, `${small.buffer.byteLength} bytes`);
  assert.equal(reader.byte(), 3);
  assert.equal(reader.callBytes().length, 1_000_000);
});
