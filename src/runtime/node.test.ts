import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { nodeRuntime } from './index.ts';

const { clock, timers, random } = nodeRuntime();

test('the runtime is one object for the whole process', () => {
  assert.equal(nodeRuntime(), nodeRuntime());
});

test('the monotonic clock does not go back, and the wall clock is milliseconds since 1970', () => {
  const first = clock.monotonicMs();
  assert.ok(clock.monotonicMs() >= first);
  assert.ok(Math.abs(clock.wallMs() - Date.now()) < 60_000);
});

test('a timer never fires before its delay, fractions included', async () => {
  const early = await Promise.all(
    Array.from({ length: 200 }, (_, index) => {
      const delayMs = (index % 20) * 0.77;
      const startMs = clock.monotonicMs();
      return new Promise<number>((resolve) => {
        timers.after(delayMs, () => resolve(delayMs - (clock.monotonicMs() - startMs)));
      });
    }),
  );
  assert.deepEqual(
    early.filter((ms) => ms > 0),
    [],
  );
});

test('a cancelled timer does not fire, and cancelling again is no error', async () => {
  let fired = false;
  const timer = timers.after(1, () => {
    fired = true;
  });
  timer.cancel();
  timer.cancel();
  await new Promise<void>((resolve) => timers.after(10, resolve));
  assert.equal(fired, false);
});

test('a delay longer than Node allows, or without end, does not fire at once', async () => {
  let fired = 0;
  const long = timers.after(2 ** 31 + 5, () => fired++);
  const endless = timers.after(Number.POSITIVE_INFINITY, () => fired++);
  await new Promise<void>((resolve) => timers.after(10, resolve));
  long.cancel();
  endless.cancel();
  assert.equal(fired, 0);
});

test('only a background timer lets the process end', async () => {
  const run = (options: string) =>
    promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      `import { nodeRuntime } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
       nodeRuntime().timers.after(30, () => console.log('fired'), ${options});`,
    ]);
  assert.equal((await run('{ background: true }')).stdout, '');
  assert.equal((await run('{}')).stdout, 'fired\n');
});

test('nextTurn runs after the promises of this turn', async () => {
  const order: string[] = [];
  const done = new Promise<void>((resolve) => {
    timers.nextTurn(() => {
      order.push('next turn');
      resolve();
    });
  });
  void Promise.resolve().then(() => order.push('promise'));
  await done;
  assert.deepEqual(order, ['promise', 'next turn']);
});

test('unit is uniform in [0, 1)', () => {
  const tenths = new Array<number>(10).fill(0);
  for (let count = 0; count < 20_000; count++) {
    const value = random.unit();
    assert.ok(value >= 0 && value < 1);
    const tenth = Math.floor(value * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  for (const count of tenths) assert.ok(count > 1700 && count < 2300, `${tenths}`);
});

test('bytes has the length asked for and does not repeat', () => {
  assert.equal(random.bytes(0).length, 0);
  assert.notDeepEqual(random.bytes(16), random.bytes(16));
});
