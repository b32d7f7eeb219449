import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, parseDurationMs } from './durations.ts';
import { parseWholeNumber } from './numbers.ts';

test('durations are read with their unit', () => {
  const expected = { '500ms': 500, '2s': 2000, '1.5s': 1500, '5m': 300_000, '24h': 86_400_000, '0': 0 };
  for (const [text, ms] of Object.entries(expected)) assert.equal(parseDurationMs(text, '--ttl'), ms);
});

test('a duration without a unit, or of nonsense, is refused', () => {
  for (const text of ['5', '', '-1s', '1d', 's', '1s2', '1e3s']) {
    assert.throws(() => parseDurationMs(text, '--ttl'), /^CommandFailure: --ttl: '.*' is not a duration\./);
  }
});

test('durations are told with three digits or so', () => {
  assert.equal(formatDuration(12.4), '12 ms');
  assert.equal(formatDuration(2345), '2.35 s');
  assert.equal(formatDuration(23_450), '23.4 s');
  assert.equal(formatDuration(185_000), '3 min 5 s');
});

test('whole numbers stay within their bounds', () => {
  assert.equal(parseWholeNumber('7', '--n', 1, 7), 7);
  for (const text of ['8', '0', '1.5', '', 'x', '0x1']) {
    assert.throws(() => parseWholeNumber(text, '--n', 1, 7), /is not a whole number from 1 to 7/);
  }
});
