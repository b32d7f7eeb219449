import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NumberTable } from './number-table.ts';

const operation = fc.oneof(
  fc.record({ type: fc.constant('set' as const), key: fc.integer({ min: 0, max: 400 }), value: fc.nat() }),
  fc.record({ type: fc.constant('delete' as const), key: fc.integer({ min: 0, max: 400 }), value: fc.nat() }),
  // One period of the smallest table apart: they want the same place.
  fc.record({ type: fc.constant('set' as const), key: fc.nat(9).map((n) => n * 61 * 251), value: fc.nat() }),
  fc.record({
    type: fc.constant('delete' as const),
    key: fc.nat(9).map((n) => n * 61 * 251),
    value: fc.nat(),
  }),
);

test('a table of numbers answers as a Map does', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 1200 }), (operations) => {
      const table = new NumberTable<number>();
      const model = new Map<number, number>();
      for (const { type, key, value } of operations) {
        if (type === 'set') {
          table.set(key, value);
          model.set(key, value);
        } else {
          assert.equal(table.delete(key), model.delete(key));
        }
        assert.equal(table.size, model.size);
        assert.equal(table.get(key), model.get(key));
      }
      assert.deepEqual(new Map(table.entries()), model);
      table.clear();
      assert.deepEqual([table.size, table.entries()], [0, []]);
    }),
  );
});

test('a table of numbers holds more than its places, and numbers beyond 32 bits', () => {
  const table = new NumberTable<number>();
  const first = 2 ** 50;
  for (let n = 0; n < 40_000; n++) table.set(first + n, n);
  for (let n = 0; n < 40_000; n++) assert.equal(table.get(first + n), n);
  for (let n = 0; n < 40_000; n += 2) assert.ok(table.delete(first + n));
  assert.equal(table.size, 20_000);
  assert.equal(table.get(first), undefined);
  assert.equal(table.get(first + 1), 1);
});

test('a table of numbers that once held many gives nearly all of its places back', () => {
  const table = new NumberTable<number>();
  for (let n = 0; n < 10_000; n++) table.set(n, n);
  assert.ok(table.capacity > 10_000);
  for (let n = 1; n < 10_000; n++) assert.ok(table.delete(n));
  assert.ok(table.capacity < 2000, `${table.capacity} places`);
  assert.deepEqual(table.entries(), [[0, 0]]);
});
