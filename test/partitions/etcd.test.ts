import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type PartitionRouter,
  Partitions,
  type PartitionsStatus,
  partitionRouter,
} from '../../src/partitions/index.ts';
import { etcdStore } from '../../src/stores/etcd.ts';
import { EtcdCluster } from '../integration/etcd-cluster.ts';
import { peer } from '../peers.ts';
import { untilAborted } from '../until-aborted.ts';

const etcd = peer('etcd');
const count = 24;

async function until(router: PartitionRouter, fits: (status: PartitionsStatus) => boolean) {
  for (;;) {
    const status = await router.status();
    if (fits(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('partitions over an etcd: shared, handed over, and led again when a session ends', {
  skip: etcd.missing ?? false,
  timeout: 300_000,
}, async () => {
  await using cluster = await EtcdCluster.start(etcd.path ?? '', 1);
  const { endpoints } = cluster;
  await using observing = etcdStore({ endpoints });
  await using router = partitionRouter(observing, 'work');
  await using firstStore = etcdStore({ endpoints });
  await using secondStore = etcdStore({ endpoints });
  // Nothing waits for the TTL to run out; on a machine that stalls it must not.
  const options = { count, onAssigned: untilAborted, ttlMs: 20_000 };
  await using _first = new Partitions(firstStore, 'work', { ...options, holder: 'first' });
  await using _second = new Partitions(secondStore, 'work', { ...options, holder: 'second' });
  const settled = (members: number) => (status: PartitionsStatus) =>
    status.members.length === members &&
    status.members.every(({ assigned }) => assigned > 0) &&
    status.totals.led === count;
  const before = await until(router, settled(2));
  for (const { leading } of before.members) assert.equal(leading, count / 2);
  // As a crash would, but at once: the store's sessions are revoked under it.
  await secondStore[Symbol.asyncDispose]();
  const after = await until(router, settled(1));
  for (const { partition, leader } of after.partitions) {
    const was = before.partitions.find((other) => other.partition === partition)?.leader;
    assert.equal(leader?.holder, 'first');
    if (was?.holder === 'second') assert((leader?.token ?? 0) > was.token);
    else assert.equal(leader?.token, was?.token, 'not disturbed');
  }
});
