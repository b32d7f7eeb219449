import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { BatchReader } from './batch-reader.ts';
import { decodeBatch, encodeBatch } from './codec-batch.ts';
import { MalformedData } from './errors.ts';
import { Keyspace } from './keyspace.ts';
import { rangeRequest } from './testing/requests.ts';
import type { Command, CommandBatch, SubmittedCommand } from './types.ts';

const bytes = fc.uint8Array({ maxLength: 200 });
const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 });
const plain = (key: Uint8Array, value: Uint8Array, prevKv = false): Command => ({
  type: 'put',
  request: { key, value, lease: 0n, prevKv, ignoreValue: false, ignoreLease: false },
});
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(key, bytes).map(([key, value]) => plain(key, value)) },
  fc.tuple(key, bytes, fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)).map(
    ([key, value, lease]): Command => ({
      type: 'put',
      request: { key, value, lease, prevKv: true, ignoreValue: false, ignoreLease: true },
    }),
  ),
  key.map((key): Command => ({ type: 'deleteRange', request: { key, rangeEnd: key, prevKv: false } })),
  fc.constant<Command>({ type: 'tick' }),
);
const identity = fc.record({ incarnation: fc.nat(), sequence: fc.nat(), acknowledgedBelow: fc.nat() });
const submitted = fc.record({ command, identity: fc.option(identity, { nil: undefined }) });
const batch = fc.record({ timeMs: fc.nat(), commands: fc.array(submitted, { maxLength: 20 }) });

function readWith(reader: BatchReader, data: Uint8Array): CommandBatch {
  reader.read(data);
  const commands: SubmittedCommand[] = [];
  for (let i = 0; i < reader.count; i++) commands.push(reader.command(i));
  return { timeMs: reader.timeMs, commands };
}

test('one reader reads batch after batch as they were written', () => {
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 5 }), (batches) => {
      const reader = new BatchReader();
      for (const one of batches) {
        const data = encodeBatch(one);
        assert.deepEqual(readWith(reader, data), decodeBatch(data));
        if (one.timeMs % 2 === 0) reader.clear();
      }
    }),
  );
});

test('a batch of more commands than it has room for is read whole', () => {
  const commands = Array.from({ length: 1000 }, (_, at) => ({
    command: plain(Uint8Array.of(at & 0xff, at >> 8), Uint8Array.of(at & 0xff)),
    identity: undefined,
  }));
  const data = encodeBatch({ timeMs: 1, commands });
  assert.deepEqual(readWith(new BatchReader(), data).commands, commands);
});

test('only a put of a key and a value is plain', () => {
  fc.assert(
    fc.property(submitted, (one) => {
      const reader = new BatchReader();
      reader.read(encodeBatch({ timeMs: 0, commands: [one] }));
      const { command } = one;
      const isPlain =
        command.type === 'put' &&
        one.identity === undefined &&
        !(command.request.prevKv || command.request.ignoreLease || command.request.ignoreValue) &&
        command.request.lease === 0n;
      assert.equal(reader.selectPlain(0), isPlain);
    }),
  );
});

test('what is cut short is refused, and the reader reads the next one', () => {
  fc.assert(
    fc.property(batch, fc.nat(), (one, at) => {
      const reader = new BatchReader();
      const data = encodeBatch(one);
      assert.throws(() => reader.read(data.subarray(0, at % data.length)), MalformedData);
      assert.deepEqual(readWith(reader, data), decodeBatch(data));
    }),
  );
});

test('bytes of anything are read as they are decoded, or refused by both', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (content) => {
      const data = Uint8Array.from([1, 0, 1, content.length, ...content]);
      let decoded: CommandBatch | undefined;
      try {
        decoded = decodeBatch(data);
      } catch (error) {
        assert.ok(error instanceof MalformedData);
      }
      if (decoded === undefined) assert.throws(() => new BatchReader().read(data), MalformedData);
      else assert.deepEqual(readWith(new BatchReader(), data), decoded);
    }),
  );
});

test('plain puts leave the state that puts with options leave', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, bytes), { maxLength: 40 }), (puts) => {
      const [fast, general] = [new Keyspace(), new Keyspace()];
      for (const [keyspace, prevKv] of [
        [fast, false],
        [general, true],
      ] as const) {
        const commands = puts.map(([key, value]) => ({
          command: plain(key, value, prevKv),
          identity: undefined,
        }));
        const results = keyspace.apply(1, encodeBatch({ timeMs: 5, commands }));
        assert.deepEqual(
          results.map(({ revision, outcome }) => [revision, outcome.type]),
          puts.map((_, at) => [at + 2, 'put']),
        );
      }
      assert.equal(fast.stateHash(), general.stateHash());
      assert.equal(fast.sizeBytes, general.sizeBytes);
      assert.deepEqual(fast.range(rangeRequest('\0', '\0')), general.range(rangeRequest('\0', '\0')));
    }),
  );
});
