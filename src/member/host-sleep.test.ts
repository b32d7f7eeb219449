import assert from 'node:assert/strict';
import test from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { HostSleep } from './host-sleep.ts';

test('a host that slept is noticed once, by the wall clock that went on', async () => {
  const { clock } = manualRuntime();
  const sleep = new HostSleep(clock);
  await clock.advance(10_000);
  assert.equal(sleep.sinceLastMs(), 0, 'awake');
  clock.jumpWall(750);
  assert.equal(sleep.sinceLastMs(), 750);
  assert.equal(sleep.sinceLastMs(), 0);
});

test('neither the rounding of the wall clock nor one set back is sleep', () => {
  const { clock } = manualRuntime();
  const sleep = new HostSleep(clock);
  clock.jumpWall(2);
  assert.equal(sleep.sinceLastMs(), 0);
  clock.jumpWall(-60_000);
  assert.equal(sleep.sinceLastMs(), 0);
});
