import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Holders } from './holders.ts';

test('waiting for holders ends with the last of them', async () => {
  const holders = new Holders();
  await holders.gone();
  holders.enter();
  holders.enter();
  let gone = false;
  const waiting = holders.gone().then(() => {
    gone = true;
  });
  holders.leave();
  await Promise.resolve();
  assert.equal(gone, false);
  holders.leave();
  await waiting;
});
