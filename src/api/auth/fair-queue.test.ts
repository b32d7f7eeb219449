import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairQueue } from './fair-queue.ts';

test('runs as many at once as it may, and lets owners take turns with the rest', async () => {
  const queue = new FairQueue<string>(2);
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const ask = (owner: string, name: string) =>
    queue.run(owner, () => {
      started.push(name);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  const all = [
    ...['a1', 'a2', 'a3', 'a4'].map((name) => ask('a', name)),
    ...['b1', 'b2'].map((name) => ask('b', name)),
  ];
  assert.deepEqual(started, ['a1', 'a2']);
  for (let at = 0; at < all.length; at++) {
    ends[at]?.();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await Promise.all(all);
  assert.deepEqual(started, ['a1', 'a2', 'a3', 'b1', 'a4', 'b2']);
});

test('takes no more than it can wait for, and goes on after work that failed', async () => {
  const queue = new FairQueue<number>(1);
  let end: () => void = () => {};
  const first = queue.run(0, () => new Promise<void>((resolve) => (end = resolve)));
  const failing = queue.run(0, () => Promise.reject(new Error('broken')));
  assert.ok(failing !== undefined);
  const waiting: (Promise<number> | undefined)[] = [];
  for (let at = 0; at < 1200; at++) waiting.push(queue.run(at, async () => at));
  assert.equal(waiting.filter((one) => one === undefined).length, 1200 - 1023);
  end();
  await first;
  await assert.rejects(failing, /broken/);
  assert.equal(await waiting[0], 0);
  const greedy = new FairQueue<number>(1);
  void greedy.run(1, () => new Promise(() => {}));
  const taken = Array.from({ length: 200 }, () => greedy.run(1, async () => {}));
  assert.equal(taken.filter((one) => one !== undefined).length, 128);
  assert.ok(greedy.run(2, async () => {}) !== undefined);
});
