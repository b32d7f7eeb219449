import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallConnection } from '../types.ts';
import { RunningRequests } from './running-requests.ts';

test('large JSON requests whose handlers run are bounded together, and each connection may have one', async () => {
  const running = new RunningRequests(100_000);
  const [one, other] = [{}, {}] as CallConnection[];
  assert.ok(one && other);
  const refused = { message: 'etcdserver: too many requests' };
  const { promise: held, resolve: end } = Promise.withResolvers<number>();
  const first = running.run(one, 90_000, () => held);
  await assert.rejects(
    running.run(one, 20_000, async () => 2),
    refused,
  );
  assert.equal(await running.run(one, 1000, async () => 3), 3);
  const second = running.run(other, 90_000, () => held);
  end(1);
  assert.deepEqual(await Promise.all([first, second]), [1, 1]);
  await assert.rejects(
    running.run(one, 90_000, () => Promise.reject(new Error('no'))),
    /^Error: no$/,
  );
  assert.equal(await running.run(one, 200_000, async () => running.run(other, 90_000, async () => 4)), 4);
});
