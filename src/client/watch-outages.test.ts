import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { WatchOutages } from './watch-outages.ts';

const refused = new ConclaveError('internal', 'connect ECONNREFUSED 127.0.0.1:2379');

function begin() {
  const runtime = manualRuntime();
  const outages = new WatchOutages(runtime.timers, ['127.0.0.1:2379']);
  const told: ConclaveError[] = [];
  const failures = () => [...told];
  const watch = { outageMs: 3000, fail: (error: ConclaveError) => told.push(error) };
  return { runtime, outages, failures, watch };
}

test('a watch that nobody serves for so long fails once, and may be tried again, with what is wrong', async () => {
  const { runtime, outages, failures, watch } = begin();
  outages.add(watch);
  outages.served();
  await runtime.advance(10_000);
  outages.broke(refused);
  await runtime.advance(2000);
  outages.broke(undefined);
  await runtime.advance(999);
  assert.deepEqual(failures(), []);
  await runtime.advance(1);
  outages.broke(refused);
  await runtime.advance(10_000);
  assert.equal(failures().length, 1);
  const [failure] = failures();
  assert.deepEqual([failure?.code, failure?.retryable], ['unavailable', true]);
  assert.match(failure?.message ?? '', /127\.0\.0\.1:2379 was served for 3000 ms\..*ECONNREFUSED/);
});

test('a watch that another member serves within that time hears of nothing', async () => {
  const { runtime, outages, failures, watch } = begin();
  outages.add(watch);
  for (let breaks = 0; breaks < 5; breaks += 1) {
    outages.served();
    await runtime.advance(2000);
    outages.broke(refused);
    await runtime.advance(2000);
  }
  assert.deepEqual(failures(), []);
});

test('a watch begun in an outage has its whole time, and one that ended hears of nothing', async () => {
  const { runtime, outages, failures, watch } = begin();
  outages.served();
  const ended = { ...watch, fail: () => assert.fail('told after its end') };
  outages.add(ended);
  outages.broke(refused);
  await runtime.advance(2000);
  outages.remove(ended);
  outages.add(watch);
  await runtime.advance(2999);
  assert.deepEqual(failures(), []);
  await runtime.advance(1);
  assert.equal(failures().length, 1);
});
