import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterTime } from './cluster-time.ts';

test('cluster time goes on from the last stamp in the log, in whole milliseconds rounded down', () => {
  const time = new ClusterTime(100);
  time.start(5000, 70.25);
  assert.equal(time.read(70.25), 5000);
  assert.equal(time.read(71.2), 5000);
  assert.equal(time.read(71.25), 5001);
  assert.equal(time.read(150), 5079);
});

test('a stall counts for at most one heartbeat interval beyond the one that a leader may idle', () => {
  const time = new ClusterTime(100);
  time.start(0, 0);
  assert.equal(time.read(100), 100);
  assert.equal(time.read(60_100), 300);
  assert.equal(time.read(60_150), 350);
});

test('reading twice at one instant gives the same time', () => {
  const time = new ClusterTime(100);
  time.start(1, 10);
  assert.equal(time.read(42), time.read(42));
});
