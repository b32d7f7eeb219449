import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outOfTime } from './certificate-time.ts';

const day = 24 * 3600 * 1000;

test('a certificate is warned of before its time, in its last week and after it', () => {
  const validity = { fromMs: Date.UTC(2026, 0, 1), untilMs: Date.UTC(2026, 3, 1) };
  assert.match(outOfTime(validity, validity.fromMs - 1) ?? '', /not valid before 2026-01-01T00:00:00/);
  assert.equal(outOfTime(validity, validity.fromMs), undefined);
  assert.equal(outOfTime(validity, validity.untilMs - 7 * day), undefined);
  assert.match(outOfTime(validity, validity.untilMs - 6 * day) ?? '', /expires at 2026-04-01T00:00:00/);
  assert.match(outOfTime(validity, validity.untilMs + 1) ?? '', /has expired at 2026-04-01.*Renew it/);
});
