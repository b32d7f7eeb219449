import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import type { Member } from './member.ts';
import { ManualCluster } from './testing.ts';

/** How many ms of manual time it waited, and what it was told. */
async function told(cluster: ManualCluster, waiting: Promise<unknown>): Promise<[number, string, string]> {
  let error: unknown;
  waiting.catch((caught: unknown) => {
    error = caught;
  });
  let ms = 0;
  for (; error === undefined && ms < 20_000; ms += 10) await cluster.advance(10);
  assert.ok(ConclaveError.is(error));
  return [ms, error.code, error.outcome];
}

test('where nobody leads, requests are told so while their callers still wait, and at once after an election only when their time is up', async (context) => {
  const cluster = await ManualCluster.start(3);
  context.after(() => cluster.stop().catch(() => undefined));
  const leader = await cluster.leader();
  for (const position of [0, 1, 2]) if (position !== leader) await cluster.stopMember(position);
  const member = cluster.member(leader);
  await cluster.until(() => member.status().raft.leader === 0);
  const tick = (by: Member, timeoutMs: number) => by.propose({ type: 'tick' }, { timeoutMs });

  const [soon, ...early] = await told(cluster, tick(member, 500));
  assert.ok(soon >= 500, `${soon}`);
  assert.deepEqual(early, ['no-leader', 'not-applied']);

  await cluster.advance(1000);
  for (const ask of [() => tick(member, 3000), () => member.readBarrier({ timeoutMs: 3000 })]) {
    const [waitedMs, ...how] = await told(cluster, ask());
    assert.ok(waitedMs >= 2700 && waitedMs <= 2850, `${waitedMs}`);
    assert.deepEqual(how, ['no-leader', 'not-applied']);
  }
  assert.ok((await told(cluster, tick(member, 60_000)))[0] <= 7000);
});

test('where elections take long, requests may wait for two of them', async (context) => {
  const cluster = await ManualCluster.start(3, { electionTimeoutMs: 5000 });
  context.after(() => cluster.stop().catch(() => undefined));
  const leader = await cluster.leader();
  for (const position of [0, 1, 2]) if (position !== leader) await cluster.stopMember(position);
  const member = cluster.member(leader);
  await cluster.until(() => member.status().raft.leader === 0);
  await cluster.advance(1000);
  for (const options of [{ timeoutMs: 60_000 }, {}]) {
    const [waitedMs, ...how] = await told(cluster, member.readBarrier(options));
    assert.ok(waitedMs > 14_700 && waitedMs <= 15_000, `${waitedMs}`);
    assert.deepEqual(how, ['no-leader', 'not-applied']);
  }
});
