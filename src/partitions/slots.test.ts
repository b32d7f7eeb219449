import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slots } from './slots.ts';

const never = new AbortController().signal;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('so many have a slot at one time; the others get theirs in order', async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  const returns: (() => void)[] = [];
  for (let number = 0; number < 5; number++) {
    void slots.take(never).then((giveBack) => {
      order.push(number);
      returns.push(giveBack);
    });
  }
  await turn();
  assert.deepEqual(order, [0, 1]);
  returns[0]?.();
  returns[0]?.();
  await turn();
  assert.deepEqual(order, [0, 1, 2], 'giving back twice is giving back once');
  returns[1]?.();
  const late = slots.take(never);
  void late.then(() => order.push(5));
  await turn();
  assert.deepEqual(order, [0, 1, 2, 3]);
  returns[2]?.();
  returns[3]?.();
  await turn();
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
  (await late)();
});

test('who gives up waiting takes none', async () => {
  const slots = new Slots(1);
  const first = await slots.take(never);
  const stop = new AbortController();
  const second = slots.take(stop.signal);
  const third = slots.take(never);
  stop.abort();
  (await second)();
  (await slots.take(stop.signal))();
  let granted = false;
  void third.then(() => {
    granted = true;
  });
  await turn();
  assert.equal(granted, false);
  first();
  (await third)();
  (await slots.take(never))();
});
