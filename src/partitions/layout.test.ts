import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { grown, partitionOf, partitionsOf } from './layout.ts';

test('layouts only grow, and counts do not mix with keys', () => {
  assert.deepEqual(grown(undefined, { count: 3 }), { count: 3 });
  assert.deepEqual(grown({ count: 3 }, { count: 5 }), { count: 5 });
  assert.deepEqual(grown({ count: 5 }, { count: 3 }), { count: 5 });
  assert.deepEqual(grown({ keys: ['a'] }, { keys: ['b'] }), { keys: ['a', 'b'] });
  assert.deepEqual(grown({ keys: ['a', 'b'] }, { keys: ['b'] }), { keys: ['a', 'b'] });
  assert.equal(grown({ count: 5 }, { keys: ['b'] }), undefined);
});

test('a key has one partition of those that there are; twice the count leaves it or moves it up by the count', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 32_768 }), (key, count) => {
      const partition = partitionOf({ count }, key) ?? '';
      assert(Number(partition) < count);
      const after = Number(partitionOf({ count: 2 * count }, key));
      assert([Number(partition), Number(partition) + count].includes(after));
    }),
  );
  assert.deepEqual(partitionsOf({ count: 3 }), ['0', '1', '2']);
  assert.equal(partitionOf({ keys: ['a'] }, 'b'), undefined);
});
