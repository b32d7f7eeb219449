import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { outOfTime } from './endpoints.ts';

test('when time is up the last failure gives the code, as far as it tells more than that time passed', () => {
  const after = (code: ConstructorParameters<typeof ConclaveError>[0], ambiguous = false) =>
    outOfTime('Putting a key', 250, ambiguous, new ConclaveError(code, 'So it was.', { retryable: true }));
  assert.equal(after('no-leader').code, 'no-leader');
  assert.equal(after('timeout').code, 'timeout');
  assert.equal(after('no-leader', true).code, 'timeout', 'an earlier attempt may have been applied');
  assert.equal(after('no-leader', true).outcome, 'unknown');
  assert.equal(after('closed').code, 'unavailable', 'the member was stopping, not this client');
  assert.match(
    after('closed').message,
    /did not succeed within 250 ms. The last attempt failed: So it was\./,
  );
});
