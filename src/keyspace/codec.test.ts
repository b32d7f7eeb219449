import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  batchTimeMs,
  decodeBatch,
  decodeSubmittedCommand,
  encodeBatch,
  encodeBatchOf,
  encodeSubmittedCommand,
} from './codec-batch.ts';
import { decodeCommandResult, encodeCommandResult } from './codec-results.ts';
import { Reader, Writer } from './encoding.ts';
import { InvariantViolation, MalformedData } from './errors.ts';
import { drawBatch, Tape } from './testing/generate.ts';
import { Model } from './testing/model.ts';
import { putCommand, putOperation, rangeRequest, txnRequest } from './testing/requests.ts';
import type { Command, CommandBatch, CommandResult, Operation } from './types.ts';

const tapes = fc.record({ seed: fc.integer(), length: fc.integer({ min: 1, max: 1500 }) });

function batchesOf({ seed, length }: { seed: number; length: number }): {
  batches: CommandBatch[];
  results: CommandResult[];
} {
  const tape = new Tape(seed, length);
  const model = new Model();
  const batches: CommandBatch[] = [];
  const results: CommandResult[] = [];
  while (!tape.done) {
    const batch = drawBatch(tape, model, model.timeMs);
    batches.push(batch);
    results.push(...model.apply(batch));
  }
  return { batches, results };
}

/**
 * What the encoding makes equal, of a range: revisions below -1, other negative numbers and 0, negative upper bounds,
 * which exclude all, and 1.
 */
function normal<T>(value: T): T {
  const walk = (item: unknown): unknown => {
    if (item === null || typeof item !== 'object' || item instanceof Uint8Array) return item;
    if (Array.isArray(item)) return item.map(walk);
    const isRange = 'sortOrder' in item;
    const entries = Object.entries(item).map(([name, one]) => {
      const negative = isRange && typeof one === 'number' && one < 0;
      if (negative && name === 'revision') return [name, Math.max(-2, one)];
      return [name, negative ? Number(name.startsWith('max')) : walk(one)];
    });
    return Object.fromEntries(entries);
  };
  return walk(value) as T;
}

test('batches come back as they were encoded', () => {
  fc.assert(
    fc.property(tapes, (drawn) => {
      for (const batch of batchesOf(drawn).batches) {
        const data = encodeBatch(batch);
        assert.deepEqual(decodeBatch(data), normal(batch));
        assert.equal(batchTimeMs(data), batch.timeMs);
      }
    }),
  );
});

test('a batch made of encoded commands is the same as one encoded whole', () => {
  fc.assert(
    fc.property(tapes, (drawn) => {
      for (const batch of batchesOf(drawn).batches) {
        const parts = batch.commands.map(encodeSubmittedCommand);
        assert.deepEqual(encodeBatchOf(batch.timeMs, parts), encodeBatch(batch));
        assert.deepEqual(parts.map(decodeSubmittedCommand), normal(batch.commands));
      }
    }),
  );
});

test('results come back as they were encoded', () => {
  fc.assert(
    fc.property(tapes, (drawn) => {
      for (const result of batchesOf(drawn).results) {
        assert.deepEqual(decodeCommandResult(encodeCommandResult(result)), result);
      }
    }),
  );
});

function decodesOrRefuses(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    assert.ok(error instanceof MalformedData, String(error));
  }
}

test('any cut of a batch or a result is refused', () => {
  fc.assert(
    fc.property(tapes, (drawn) => {
      const { batches, results } = batchesOf(drawn);
      for (const batch of batches.slice(-2)) {
        const data = encodeBatch(batch);
        for (let size = 0; size < data.length; size++) {
          assert.throws(() => decodeBatch(data.subarray(0, size)), MalformedData);
        }
      }
      for (const result of results.slice(-2)) {
        const data = encodeCommandResult(result);
        for (let size = 0; size < data.length; size++) {
          assert.throws(() => decodeCommandResult(data.subarray(0, size)), MalformedData);
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('damaged or random bytes never make a decoder fail otherwise than with MalformedData', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
      decodesOrRefuses(() => decodeBatch(data));
      decodesOrRefuses(() => decodeBatch(Uint8Array.from([1, 0, 1, data.length & 0x7f, ...data])));
      decodesOrRefuses(() => decodeSubmittedCommand(data));
      decodesOrRefuses(() => decodeCommandResult(data));
      decodesOrRefuses(() => batchTimeMs(data));
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(tapes, fc.nat(), fc.nat(255), (drawn, at, byte) => {
      for (const batch of batchesOf(drawn).batches.slice(-3)) {
        const data = encodeBatch(batch);
        data[at % data.length] = byte;
        decodesOrRefuses(() => decodeBatch(data));
      }
    }),
    { numRuns: 500 },
  );
});

test('a list or field that claims more than is there is refused before anything is allocated for it', () => {
  const writer = new Writer();
  writer.byte(1);
  writer.varint(0);
  writer.varint(2 ** 50);
  assert.throws(() => decodeBatch(writer.finish()), /claims 1125899906842624 items/);
});

test('a batch of an unknown format version is refused by name', () => {
  assert.throws(() => decodeBatch(Uint8Array.from([9, 0, 0])), /batch format 9/);
});

test('transactions nested beyond reason are refused on both sides', () => {
  let request = txnRequest([], []);
  for (let depth = 0; depth < 66; depth++) request = txnRequest([], [{ type: 'txn', request }]);
  const command: Command = { type: 'txn', request };
  assert.throws(() => encodeSubmittedCommand({ command, identity: undefined }), InvariantViolation);
  const nested = new Uint8Array(5000);
  nested.set([0, 2]);
  // No compares, one success operation, a transaction: again and again.
  for (let i = 2; i + 2 < nested.length; i += 3) nested.set([0, 1, 3], i);
  assert.throws(() => decodeSubmittedCommand(nested), /nests deeper/);
});

test('numbers that are no whole numbers from 0 to 2^53 - 1 are not encoded', () => {
  for (const timeMs of [-1, 0.5, Number.NaN, 2 ** 53]) {
    assert.throws(() => encodeBatch({ timeMs, commands: [] }), InvariantViolation);
  }
  const grant: Command = { type: 'leaseGrant', lease: 2n ** 63n, ttlMs: 1 };
  assert.throws(() => encodeSubmittedCommand({ command: grant, identity: undefined }), InvariantViolation);
});

test('varints, signed numbers and 64-bit ids of every size come back', () => {
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
      fc.maxSafeInteger(),
      (n, id, signed) => {
        const writer = new Writer(1);
        writer.varint(n);
        writer.int64(id);
        writer.signed(signed);
        const reader = new Reader(writer.finish());
        assert.equal(reader.varint(), n);
        assert.equal(reader.int64(), id);
        const limit = 2 ** 52 - 1;
        assert.equal(reader.signed(), Math.max(-limit, Math.min(limit, signed)));
        reader.expectEnd('the test');
      },
    ),
  );
});

test('what decoders give are views, so decoding copies no values', () => {
  const data = encodeSubmittedCommand({ command: putCommand('key', 'value'), identity: undefined });
  const { command } = decodeSubmittedCommand(data);
  assert.equal(command.type === 'put' && command.request.value.buffer, data.buffer);
});

test('a range with large bounds, as clients send for "no limit", is encoded', () => {
  const limit = Number.MAX_SAFE_INTEGER;
  const operation: Operation = {
    type: 'range',
    request: rangeRequest('a', '', { limit, maxModRevision: limit, minCreateRevision: 1 }),
  };
  const command: Command = { type: 'txn', request: txnRequest([], [operation, putOperation('b')]) };
  const data = encodeSubmittedCommand({ command, identity: undefined });
  assert.deepEqual(decodeSubmittedCommand(data).command, command);
});
