import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deadlinesFor, fitsTtl, stopTimesFor, terminateNow, untilMs } from './deadlines.ts';

const now = { monotonicMs: 1000, wallMs: 50_000 };

test('SIGKILL comes before the end of the leadership, and SIGTERM so early that the command has its time', () => {
  assert.deepEqual(deadlinesFor(now, 3000, { killAfterMs: 1000, safetyMs: 100 }), {
    terminateAt: { monotonicMs: 2900, wallMs: 51_900 },
    killAt: { monotonicMs: 3900, wallMs: 52_900 },
  });
});

test('a leadership that is over leaves no time at all', () => {
  const deadlines = deadlinesFor(now, 0, { killAfterMs: 1000, safetyMs: 100 });
  assert.deepEqual(deadlines, { terminateAt: now, killAt: now });
});

test('an instant has come when it has come on either clock: the monotonic one stands still in a sleep', () => {
  const instant = { monotonicMs: 1500, wallMs: 50_500 };
  assert.equal(untilMs(now, instant), 500);
  assert.equal(untilMs({ monotonicMs: 1001, wallMs: 60_000 }, instant), -9500);
  assert.equal(untilMs({ monotonicMs: 2000, wallMs: 49_000 }, instant), -500);
});

test('terminating now does not move the kill', () => {
  const deadlines = deadlinesFor(now, 3000, { killAfterMs: 1000, safetyMs: 100 });
  assert.deepEqual(terminateNow(now, deadlines), { terminateAt: now, killAt: deadlines.killAt });
});

test('whatever is left, the order is now, SIGTERM, SIGKILL, end of the leadership', () => {
  const milliseconds = fc.double({ min: 0, max: 1e8, noNaN: true });
  fc.assert(
    fc.property(milliseconds, milliseconds, milliseconds, (remainingMs, killAfterMs, safetyMs) => {
      const { terminateAt, killAt } = deadlinesFor(now, remainingMs, { killAfterMs, safetyMs });
      assert.ok(untilMs(now, terminateAt) >= 0);
      assert.ok(untilMs(now, terminateAt) <= untilMs(now, killAt));
      // Sums of doubles: a millionth of a millisecond is not the point here.
      assert.ok(untilMs(now, killAt) <= Math.max(0, remainingMs - safetyMs) + 1e-6);
    }),
  );
});

test('the default stop times fit every TTL', () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 86_400_000 }), (ttlMs) =>
      fitsTtl(ttlMs, stopTimesFor(ttlMs, undefined)),
    ),
  );
  assert.equal(fitsTtl(5000, stopTimesFor(5000, 2500)), false);
});
