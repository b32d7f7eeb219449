import assert from 'node:assert/strict';
import { test } from 'node:test';
import cassandra from 'cassandra-driver';
import { reconnection } from './connection.ts';

test('a node that was away for long is tried again as soon as one that was away for a moment', () => {
  const schedule = reconnection(cassandra.policies).newSchedule();
  const delaysMs = Array.from({ length: 100 }, () => schedule.next().value);
  assert.deepEqual([...new Set(delaysMs)], [1000]);
});
