import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Breaks } from './breaks.ts';
import { TestingWorld } from './testing.ts';

test('a break is late while a process stands still, and for a while after it was told', () => {
  let nowUs = 100;
  const breaks = new Breaks(() => nowUs);
  const [still, running] = [{}, {}];
  breaks.happens(still);
  breaks.happens(running);
  breaks.told(running, 100);
  assert.deepEqual([breaks.late(still, 10), breaks.late(running, 10)], [true, false]);
  nowUs = 500;
  assert.equal(breaks.late(still, 10), true);
  breaks.told(still, 100);
  assert.equal(breaks.late(still, 10), true);
  nowUs = 511;
  assert.equal(breaks.late(still, 10), false);
});

test('who is paused hears late that its own end broke; whose other end did has nothing to hear', async () => {
  const life = new TestingWorld(1);
  await life.pair();
  const [paused, far] = [life.process(0), life.process(1)];
  paused.pause();
  life.network.breakConnections({ seenBy: 'both' });
  await life.run(50);
  const lateUs = 10_000;
  assert.deepEqual(
    [life.network.breaks.late(paused, lateUs), life.network.breaks.late(far, lateUs)],
    [true, false],
  );
  paused.resume();
  await life.run(5);
  assert.equal(life.network.breaks.late(paused, lateUs), true);
  await life.run(20);
  assert.equal(life.network.breaks.late(paused, lateUs), false);
});
