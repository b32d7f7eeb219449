import { test } from 'node:test';
import { queuesDrain } from './20-queues-drain.ts';
import { effects, handmadeLife, violates, watching } from './testing.ts';

test('reads that are answered or fail do not wait, and one that does neither is found in the end', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(queuesDrain(), life);
  for (const readId of [1, 2, 3]) checker.asked(ann, readId);
  checker.drained(ann, effects({ readsReady: [{ readId: 1, index: 1 }] }));
  checker.drained(ann, effects({ readsFailed: [{ readId: 2, reason: 'no-leader' }] }));
  life.nowUs = 5_000_000;
  checker.ended();
  life.nowUs = 5_001_000;
  violates(() => checker.ended(), /ann has neither answered read 3 nor failed it for 5001 ms/);
  checker.memberStarted(ann);
  checker.ended();
});

test('reads that pile up are found', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(queuesDrain(), life);
  for (let readId = 1; readId <= 500; readId++) checker.asked(ann, readId);
  violates(() => checker.asked(ann, 501), /ann has 501 reads in its core waiting; a life has 500 at most/);
});

test('proposals that pile up are found', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(queuesDrain(), life);
  Object.assign(ann, { member: { status: () => ({ proposals: { pending: 2001, failed: 0 } }) } });
  for (let drains = 1; drains < 64; drains++) checker.drained(ann, effects());
  violates(() => checker.drained(ann, effects()), /ann has 2001 proposals waiting; a life has 2000 at most/);
});

test('proposals that are left in the end are found', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(queuesDrain(), life);
  const proposals = { pending: 20, failed: 0 };
  Object.assign(ann, { member: { status: () => ({ proposals }) } });
  checker.ended();
  proposals.pending = 21;
  violates(() => checker.ended(), /ann has 21 proposals waiting although nobody asks for anything/);
});

test('bytes that pile up on a connection are found', () => {
  const { life } = handmadeLife();
  const client = { bytes: 200_000, from: 'ann' };
  life.backlog = { peer: { bytes: 3_000_000, from: 'bob' }, client };
  const checker = watching(queuesDrain(), life);
  checker.settled();
  client.bytes = 300_000;
  violates(() => checker.settled(), /ann has 300000 bytes for a client waiting; a life has 262144 at most/);
});

test('more may wait where there are more clients', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(queuesDrain(16), life);
  for (let readId = 1; readId <= 1000; readId++) checker.asked(ann, readId);
  violates(() => checker.asked(ann, 1001), /a life has 1000 at most/);
});
