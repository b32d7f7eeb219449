import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareBytes, prefixEnd } from './convert.ts';

test('the end of a prefix is above every key that begins with it, and below or at every later one', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 4 }),
      fc.uint8Array({ maxLength: 5 }),
      (prefix, key) => {
        const end = prefixEnd(prefix);
        const toTheEnd = end.length === 1 && end[0] === 0;
        const inRange = compareBytes(key, prefix) >= 0 && (toTheEnd || compareBytes(key, end) < 0);
        const begins = compareBytes(key.subarray(0, prefix.length), prefix) === 0;
        if (!toTheEnd) assert.equal(inRange, begins);
        else if (begins) assert.ok(inRange);
      },
    ),
  );
});
