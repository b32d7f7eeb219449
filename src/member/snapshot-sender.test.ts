import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from '../keyspace/index.ts';
import { ManualCluster } from './testing.ts';

const put = (key: string): Command => ({
  type: 'put',
  request: {
    ...{ key: Buffer.from(key), value: Buffer.from(key), lease: 0n },
    ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
  },
});

/** One bit of the snapshot on this member's disk flips, between its head and its end. */
async function rot(cluster: ManualCluster, position: number): Promise<void> {
  const { disk } = cluster.runtime(position);
  const names = await cluster.settled(disk.list('/data/snapshots'));
  const path = `/data/snapshots/${names.find((name) => name.endsWith('.snapshot'))}`;
  const file = await cluster.settled(disk.open(path));
  const at = Math.floor((await cluster.settled(file.size())) / 2);
  const byte = (await cluster.settled(file.readAt(at, 1)))[0] ?? 0;
  await cluster.settled(file.writeAt(at, [Uint8Array.of(byte ^ 1)]));
  await cluster.settled(file.close());
}

test('a snapshot that has rotted on its disk is replaced when it is sent, and the follower gets the new one', async () => {
  // Many, so that none is made by itself after the first one; and an idle cluster writes nothing.
  const cluster = await ManualCluster.start(3, { snapshotCount: 60, snapshotCatchUpEntries: 0 });
  const leader = await cluster.leader();
  const away = (leader + 1) % 3;
  await cluster.stopMember(away);
  for (let at = 0; at < 70; at++) await cluster.settled(cluster.member(leader).propose(put(`k${at}`)));
  await cluster.until(() => cluster.member(leader).status().snapshotIndex > 0);
  const made = cluster.member(leader).status().snapshotIndex;
  await rot(cluster, leader);
  await cluster.startMember(away);
  const revision = (at: number) => cluster.member(at).keyspace.revision;
  await cluster.until(() => revision(away) === revision(leader));
  assert.ok(cluster.member(away).status().snapshotIndex >= made);
  // It can be read at the next start, too.
  await cluster.stopMember(leader);
  await cluster.startMember(leader);
  await cluster.stop();
});
