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

/** Waits until what has been set off by now has had its turn. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

test('takes no more than it can wait for, and goes on after work that failed', async () => {
  const queue = new FairQueue<number>(1);
  let end: () => void = () => {};
  const first = queue.run(0, () => new Promise<void>((resolve) => (end = resolve)));
  const failing = queue.run(0, () => Promise.reject(new Error('broken')));
  let refused = 0;
  const waiting = Array.from({ length: 1200 }, (_, at) =>
    queue
      .run(at + 1, async () => at)
      .then((done) => {
        if (done === undefined) refused += 1;
        return done?.result;
      }),
  );
  await settled();
  assert.equal(refused, 1200 - 1023);
  end();
  await first;
  await assert.rejects(failing, /broken/);
  assert.equal(await waiting[0], 0);
});

test('who fills the queue does not keep others out: the last of the longest gives up its place', async () => {
  const queue = new FairQueue<string>(1);
  let end: () => void = () => {};
  void queue.run('first', () => new Promise<void>((resolve) => (end = resolve)));
  const refused: string[] = [];
  const ask = (owner: string) =>
    queue
      .run(owner, async () => {})
      .then((done) => {
        if (done === undefined) refused.push(owner);
      });
  for (let count = 0; count < 600; count++) void ask('greedy');
  for (let count = 0; count < 600; count++) void ask('greedy too');
  await settled();
  // Each has its own bound, and together they fill the queue.
  assert.equal(refused.length, 2 * (600 - 512));
  refused.length = 0;
  const modest = ask('modest');
  await settled();
  assert.equal(refused.length, 1);
  assert.notEqual(refused[0], 'modest');
  end();
  await modest;
  assert.ok(!refused.includes('modest'));
});
