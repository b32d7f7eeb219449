import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

test('work on one key is done one after the other, also after a failure, and other keys do not wait', async () => {
  const turns = new Turns<unknown>();
  const told: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take('a', async () => {
    await gate.promise;
    told.push('first');
    throw new Error('failed');
  });
  const second = turns.take('a', async () => {
    told.push('second');
    return 2;
  });
  const third = turns.take('a', async (before) => before);
  await turns.take('b', async () => told.push('other'));
  gate.resolve();
  await assert.rejects(first, /failed/);
  assert.equal(await second, 2);
  assert.equal(await third, 2);
  assert.deepEqual(told, ['other', 'first', 'second']);
});
