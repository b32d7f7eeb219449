import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Interruptions } from './interruptions.ts';

const of = (memberId: number) => new Interruptions({ memberId, voters: () => [1, 2, 3] });

test('a request that waits across a change of leader is told that the one before may have failed', () => {
  const seen = of(2);
  seen.linkUp(1);
  seen.linkUp(3);
  seen.leaderChanged(1);
  const before = seen.moment;
  assert.equal(seen.since(before), undefined);
  seen.leaderChanged(0);
  assert.equal(seen.since(before), undefined);
  const without = seen.moment;
  seen.leaderChanged(3);
  assert.equal(seen.since(before), 'leader-failure');
  assert.equal(seen.since(without), 'leader-failure');
  assert.equal(seen.since(seen.moment), undefined);
});

test('on a follower the connection to the leader counts, also where it has come back', () => {
  const seen = of(2);
  seen.linkUp(1);
  seen.linkUp(3);
  seen.leaderChanged(1);
  const began = seen.moment;
  seen.linkDown(3);
  assert.equal(seen.since(began), undefined);
  seen.linkDown(1);
  assert.equal(seen.since(began), 'connection-lost');
  seen.linkUp(1);
  assert.equal(seen.since(began), 'connection-lost');
  assert.equal(seen.since(seen.moment), undefined);
});

test('on the leader the connections to a majority count, itself among them', () => {
  const seen = of(1);
  seen.linkUp(2);
  seen.linkUp(3);
  seen.leaderChanged(1);
  const began = seen.moment;
  seen.linkDown(2);
  assert.equal(seen.since(began), undefined);
  seen.linkDown(3);
  assert.equal(seen.since(began), 'connection-lost');
});
