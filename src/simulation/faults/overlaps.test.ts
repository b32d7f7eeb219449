import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Link } from '../network/link.ts';
import { World } from '../world/world.ts';
import { Overlaps } from './overlaps.ts';

function aLink(): Link {
  const world = new World({ seed: 1 });
  return new Link(world.addHost('ann'), world.addHost('bob'), () => false);
}

test('when the first of two faults that slow down one link ends, the second goes on', () => {
  const overlaps = new Overlaps();
  const link = aLink();
  link.latencyUs = 7;
  const endFirst = overlaps.override(link, { latencyUs: 100, bytesPerSecond: 20_000 });
  const endSecond = overlaps.override(link, { latencyUs: 200 });
  endFirst();
  assert.equal(link.latencyUs, 200);
  assert.equal(link.bytesPerSecond, Number.POSITIVE_INFINITY);
  endSecond();
  assert.equal(link.latencyUs, 7);
});

test('when the second ends first, the first goes on, and after both the link is as it was', () => {
  const overlaps = new Overlaps();
  const link = aLink();
  link.latencyUs = 7;
  const endFirst = overlaps.override(link, { latencyUs: 100 });
  const endSecond = overlaps.override(link, { latencyUs: 200, bytesPerSecond: 20_000 });
  endSecond();
  assert.deepEqual([link.latencyUs, link.bytesPerSecond], [100, Number.POSITIVE_INFINITY]);
  endFirst();
  assert.equal(link.latencyUs, 7);
  const endThird = overlaps.override(link, { latencyUs: 300 });
  assert.equal(link.latencyUs, 300);
  endThird();
  assert.equal(link.latencyUs, 7);
});
