import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecentDelays } from './recent-delays.ts';

test('The high end is that of the last 512, as if they were sorted', () => {
  const some = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 700 });
  fc.assert(
    fc.property(some, (delaysMs) => {
      const delays = new RecentDelays();
      for (const ms of delaysMs) delays.record(ms);
      const sorted = delaysMs.slice(-512).sort((a, b) => a - b);
      assert.equal(delays.p99Ms(), sorted[Math.floor(sorted.length * 0.99)] ?? 0);
    }),
    { examples: [[[]], [[7]], [Array.from({ length: 700 }, (_, at) => at)]] },
  );
});
