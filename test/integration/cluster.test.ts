import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectClient, toBytes, toText } from '../../src/client/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { patientElections, TestCluster } from './cluster.ts';

/** Writes one key after the other until stopped; knows which were acknowledged. */
function writer(cluster: TestCluster, prefix: string) {
  const acknowledged: string[] = [];
  let stopped = false;
  const done = (async () => {
    for (let number = 0; !stopped; number++) {
      const key = `${prefix}/${number}`;
      try {
        await cluster.client.put(key, String(number), { timeoutMs: 10_000 });
        acknowledged.push(key);
      } catch (error) {
        if (!ConclaveError.is(error)) throw error;
      }
    }
  })();
  return {
    acknowledged,
    /** Resolves once so many more were acknowledged. */
    async more(count: number): Promise<void> {
      const goal = acknowledged.length + count;
      while (acknowledged.length < goal) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    async stop(): Promise<void> {
      stopped = true;
      await done;
    },
  };
}

async function assertAllThere(cluster: TestCluster, keys: readonly string[]): Promise<void> {
  for (const member of cluster.members) {
    await using client = connectClient({ endpoints: [member.clientUrl] });
    const { kvs } = await client.range(
      { key: Buffer.from('w/'), rangeEnd: Buffer.from('w0') },
      { timeoutMs: 20_000 },
    );
    const found = new Set(kvs.map((kv) => toText(kv.key)));
    const lost = keys.filter((key) => !found.has(key));
    assert.deepEqual(lost, [], `${member.name} lost acknowledged writes`);
  }
}

test('a write at any member is read at every member', async () => {
  await using cluster = await TestCluster.start(3);
  for (const member of cluster.members) {
    await using client = connectClient({ endpoints: [member.clientUrl] });
    await client.put(`w/${member.name}`, member.name);
  }
  await assertAllThere(cluster, ['w/m1', 'w/m2', 'w/m3']);
});

test('killing the Raft leader again and again loses nothing that was acknowledged', async () => {
  await using cluster = await TestCluster.start(3);
  const writes = writer(cluster, 'w');
  await writes.more(20);
  for (let round = 0; round < 3; round++) {
    const leader = await cluster.leader();
    await cluster.end(leader, 'SIGKILL');
    await cluster.leader(leader);
    await writes.more(20);
    cluster.run(leader);
    await cluster.until(leader, (state) => state.leader !== 0);
  }
  await writes.stop();
  await assertAllThere(cluster, writes.acknowledged);
});

test('a cluster whose members all die at once comes back from disk with everything acknowledged', async () => {
  await using cluster = await TestCluster.start(3);
  const writes = writer(cluster, 'w');
  await writes.more(50);
  await Promise.all(cluster.members.map((member) => cluster.end(member, 'SIGKILL')));
  for (const member of cluster.members) cluster.run(member);
  await writes.more(1);
  await writes.stop();
  await assertAllThere(cluster, writes.acknowledged);
});

test('a cluster of one member acknowledges only what survives its crash', async () => {
  await using cluster = await TestCluster.start(1);
  const member = cluster.members[0];
  assert.ok(member);
  const writes = writer(cluster, 'w');
  for (let round = 0; round < 3; round++) {
    await writes.more(30);
    await cluster.end(member, 'SIGKILL');
    cluster.run(member);
  }
  await writes.more(1);
  await writes.stop();
  await assertAllThere(cluster, writes.acknowledged);
});

test('a leader that is told to stop hands over first and exits with 0', async () => {
  await using cluster = await TestCluster.start(3, patientElections);
  const writes = writer(cluster, 'w');
  await writes.more(10);
  const leader = await cluster.leader();
  const { term } = await cluster.state(leader);
  assert.equal(await cluster.end(leader, 'SIGTERM'), 0, leader.output);
  const next = await cluster.leader(leader);
  // A hand-over takes one election, which cannot fail: the term rises by exactly one.
  assert.equal((await cluster.state(next)).term, term + 1);
  await writes.more(10);
  cluster.run(leader);
  await cluster.until(leader, (state) => state.leader !== 0);
  await writes.stop();
  await assertAllThere(cluster, writes.acknowledged);
});

test('a leader that is stopped and wakes again finds another in its place and follows', async () => {
  await using cluster = await TestCluster.start(3, patientElections);
  const writes = writer(cluster, 'w');
  await writes.more(10);
  const paused = await cluster.leader();
  cluster.pause(paused);
  const next = await cluster.leader(paused);
  await writes.more(10);
  cluster.resume(paused);
  const { memberId } = await cluster.state(next);
  await cluster.until(paused, (state) => state.role === 'follower' && state.leader === memberId);
  await writes.stop();
  await assertAllThere(cluster, writes.acknowledged);
});

test('a follower that missed more than the log keeps catches up by snapshot', async () => {
  await using cluster = await TestCluster.start(3, ['--snapshot-count', '50']);
  const late = await cluster.follower();
  await cluster.end(late, 'SIGKILL');
  const value = Buffer.alloc(100_000, 'x');
  const keys: string[] = [];
  for (let number = 0; number < 300; number++) {
    keys.push(`w/${number}`);
    await cluster.client.put(`w/${number}`, value);
  }
  const leader = await cluster.leader();
  const { appliedIndex, snapshotIndex } = await cluster.until(leader, (state) => state.snapshotIndex > 100);
  assert.ok(snapshotIndex > 0);
  cluster.run(late);
  const state = await cluster.until(late, (candidate) => candidate.appliedIndex >= appliedIndex);
  assert.ok(state.snapshotIndex > 0, 'the follower installed a snapshot');
  await assertAllThere(cluster, keys);
  // What it installed also serves as its own start.
  await cluster.end(late, 'SIGKILL');
  cluster.run(late);
  await assertAllThere(cluster, keys);
});

test('a lease outlives a change of leader and expires in the end', async () => {
  await using cluster = await TestCluster.start(3);
  // Before the request leaves: the lease begins after that, however long the answer takes.
  const grantedAtMs = performance.now();
  const { lease } = await cluster.client.leaseGrant(3000);
  await cluster.client.put('leased', 'value', { lease });
  const leader = await cluster.leader();
  await cluster.end(leader, 'SIGKILL');
  for await (const batch of cluster.client.watch({ key: toBytes('leased'), startRevision: 1 })) {
    if (!batch.events.some((event) => event.type === 1)) continue;
    // Not a measure of speed: earlier than its TTL would break the promise of a lease.
    assert.ok(performance.now() - grantedAtMs >= 2990, 'the lease expired early');
    break;
  }
  assert.equal(await cluster.client.get('leased'), undefined);
});
