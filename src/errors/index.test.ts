import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from './index.ts';

test('a log line of JSON has the message and every detail, a bigint too', () => {
  const error = new ConclaveError('lease-lost', 'Lease 7 is gone.', { details: { lease: 7n, key: 'k' } });
  assert.deepEqual(JSON.parse(JSON.stringify({ error })).error, {
    ...{ name: 'ConclaveError', code: 'lease-lost', message: 'Lease 7 is gone.' },
    ...{ retryable: false, outcome: 'not-applied', details: { lease: '7', key: 'k' } },
  });
});
