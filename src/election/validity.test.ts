import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { manualRuntime } from '../runtime/testing.ts';
import { clockMarginMs, readMoment, Validity } from './validity.ts';

test('a holder with a slow clock stops before a store with a fast clock lets others in', () => {
  const rate = fc.double({ min: 0, max: 0.25, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 86_400_000 }), rate, rate, rate, (ttlMs, bound, slow, fast) => {
      const holderRate = 1 - Math.min(slow, bound);
      const storeRate = 1 + Math.min(fast, bound);
      const holderStopsAfterMs = (ttlMs - clockMarginMs(ttlMs, bound)) / holderRate;
      const storeExpiresAfterMs = ttlMs / storeRate;
      return holderStopsAfterMs <= storeExpiresAfterMs + 1e-6;
    }),
  );
});

test('the margin takes no more than that: at the worst rates both moments meet', () => {
  const holderStopsAfterMs = (1000 - clockMarginMs(1000, 0.1)) / 0.9;
  assert(Math.abs(holderStopsAfterMs - 1000 / 1.1) < 1e-9);
});

test('validity is counted on whichever clock went further', async () => {
  const { clock, ...runtime } = manualRuntime();
  const validity = new Validity({ clock, ttlMs: 1000, clockDriftRate: 0 }, readMoment(clock));
  await runtime.advance(300);
  assert.equal(validity.remainingMs(), 700);
  clock.jumpWall(500);
  assert.equal(validity.remainingMs(), 200);
  assert.equal(validity.validUntilMs(), clock.monotonicMs() + 200);
  clock.jumpWall(-5000);
  assert.equal(validity.remainingMs(), 700);
});

test('a renewal counts from when it was sent, and an older one does not shorten', async () => {
  const { clock, ...runtime } = manualRuntime();
  const opened = readMoment(clock);
  const validity = new Validity({ clock, ttlMs: 1000, clockDriftRate: 0 }, opened);
  await runtime.advance(300);
  const sent = readMoment(clock);
  await runtime.advance(300);
  validity.extend(sent);
  assert.equal(validity.remainingMs(), 700);
  validity.extend(opened);
  assert.equal(validity.remainingMs(), 700);
});

test('a broken connection leaves the grace less its margin, from the first break until it is attached again', async () => {
  const { clock, ...runtime } = manualRuntime();
  const options = { clock, ttlMs: 1000, clockDriftRate: 0.25, disconnectGraceMs: 100 };
  const validity = new Validity(options, readMoment(clock));
  validity.disconnect();
  assert.equal(validity.remainingMs(), 60);
  await runtime.advance(50);
  validity.disconnect();
  assert.equal(validity.remainingMs(), 10);
  validity.reconnect();
  assert.equal(validity.remainingMs(), 550);
});
