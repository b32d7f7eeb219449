import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFailure } from '../failure.ts';
import { resolveCorruption } from './corruption-options.ts';

const setting = (text: string, origin: string) => ({ text, origin });

test('members are compared when and as often as one of the two names says', () => {
  assert.deepEqual(resolveCorruption({}), { everyMs: 0, atStart: false });
  const own = { 'corrupt-check-time': setting('5m', '--corrupt-check-time') };
  assert.equal(resolveCorruption(own).everyMs, 300_000);
  const etcds = {
    'experimental-corrupt-check-time': setting('5m', '--experimental-corrupt-check-time'),
    'experimental-initial-corrupt-check': setting('true', '--experimental-initial-corrupt-check'),
  };
  assert.deepEqual(resolveCorruption(etcds), { everyMs: 300_000, atStart: true });
  assert.equal(resolveCorruption({ ...own, ...etcds }).everyMs, 300_000);
});

test('contradicting names and values that are none are refused', () => {
  const refused = (settings: Parameters<typeof resolveCorruption>[0], pattern: RegExp) =>
    assert.throws(
      () => resolveCorruption(settings),
      (error: unknown) => error instanceof CommandFailure && pattern.test(error.message),
    );
  const one = { 'corrupt-check-time': setting('5m', '--corrupt-check-time') };
  refused({ ...one, 'experimental-corrupt-check-time': setting('1m', '--x') }, /contradict/);
  refused({ 'corrupt-check-time': setting('5', '--corrupt-check-time') }, /corrupt-check-time/);
  refused({ 'initial-corrupt-check': setting('yes', '--initial-corrupt-check') }, /neither true nor false/);
});
