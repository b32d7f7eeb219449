import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import { manualRuntime, settle } from '../../runtime/testing.ts';
import { documentStore } from './index.ts';
import { MemoryService } from './testing.ts';

test('an attempt to connect that is not answered tells what the one before failed with', async () => {
  const runtime = manualRuntime();
  const driver = new MemoryService({ runtime, ownsClock: true, tells: true, many: true }).driver();
  const refused = new ConclaveError('failed-precondition', 'The password is wrong.');
  let attempts = 0;
  const open = async () => {
    attempts += 1;
    if (attempts === 1) throw refused;
    if (attempts === 2) await new Promise<never>(() => {});
  };
  const store = documentStore(Object.assign(driver, { open }), { runtime, timeoutMs: 1000 });
  await assert.rejects(settle(runtime, store.read('x')), refused);
  await assert.rejects(settle(runtime, store.read('x')), (error) => {
    assert(ConclaveError.is(error, 'timeout') && error.retryable);
    assert.match(error.message, /no answer within .* The attempt before failed: The password is wrong\./);
    return error.cause === refused;
  });
  assert.equal((await settle(runtime, store.read('x'))).leader, undefined);
});
