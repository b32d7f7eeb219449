import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from './random.ts';

const take = (seed: number, count: number): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, random);
};

test('one seed gives one sequence, and neighbouring seeds others', () => {
  assert.deepEqual(take(5, 100), take(5, 100));
  assert.notDeepEqual(take(5, 4), take(6, 4));
  assert.notDeepEqual(take(5, 4), take(5 + 2 ** 40, 4));
});

test('numbers are spread evenly over [0, 1)', () => {
  const buckets = new Array<number>(10).fill(0);
  for (const value of take(1, 100_000)) {
    assert.ok(value >= 0 && value < 1);
    buckets[Math.floor(value * 10)] = (buckets[Math.floor(value * 10)] as number) + 1;
  }
  for (const count of buckets) assert.ok(Math.abs(count - 10_000) < 500, `${count}`);
});
