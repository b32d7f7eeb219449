import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Command, RangeRequest } from '../keyspace/index.ts';
import { Member } from './member.ts';
import type { MemberOptions } from './options.ts';
import { ManualCluster } from './testing.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

function put(key: string, value: string): Command {
  return {
    type: 'put',
    request: {
      key: bytes(key),
      value: bytes(value),
      lease: 0n,
      prevKv: false,
      ignoreValue: false,
      ignoreLease: false,
    },
  };
}

function get(member: Member, key: string): string | undefined {
  const request: RangeRequest = {
    ...{
      key: bytes(key),
      rangeEnd: new Uint8Array(0),
      limit: 0,
      revision: 0,
      sortOrder: 'none',
      sortTarget: 'key',
    },
    ...{
      keysOnly: false,
      countOnly: false,
      minModRevision: 0,
      maxModRevision: 0,
      minCreateRevision: 0,
      maxCreateRevision: 0,
    },
  };
  const result = member.keyspace.range(request);
  assert.ok(!('failed' in result));
  const [kv] = result.kvs;
  return kv && Buffer.from(kv.value).toString();
}

async function cluster(
  context: TestContext,
  size: number,
  changes: Partial<MemberOptions> = {},
): Promise<ManualCluster> {
  const made = await ManualCluster.start(size, changes);
  context.after(() => made.stop().catch(() => undefined));
  return made;
}

test('a command proposed at any member is applied once and seen behind a barrier at every member', async (context) => {
  const three = await cluster(context, 3);
  for (const position of [0, 1, 2]) {
    const result = await three.settled(three.member(position).propose(put(`k${position}`, 'v')));
    assert.equal(result.outcome.type, 'put');
  }
  for (const position of [0, 1, 2]) {
    await three.settled(three.member(position).readBarrier());
    assert.deepEqual(
      [0, 1, 2].map((key) => get(three.member(position), `k${key}`)),
      ['v', 'v', 'v'],
    );
    assert.equal(three.member(position).keyspace.revision, 4);
  }
});

test('commands of one turn share one entry', async (context) => {
  const one = await cluster(context, 1);
  const leader = one.member(await one.leader());
  await one.settled(leader.propose(put('first', '')));
  const before = leader.status().raft.lastIndex;
  await one.settled(
    Promise.all(Array.from({ length: 50 }, (_, number) => leader.propose(put(`k${number}`, '')))),
  );
  assert.equal(leader.status().raft.lastIndex, before + 1);
});

test('a member whose log cannot be synced stops with the reason, and what it was asked fails', async (context) => {
  const one = await cluster(context, 1);
  const leader = one.member(await one.leader());
  await one.settled(leader.propose(put('before', '')));
  one.runtime(0).disk.fail('sync', { path: '/log/' });
  const proposed = leader.propose(put('after', ''));
  await assert.rejects(one.settled(proposed), (error: { outcome?: string }) => error.outcome !== undefined);
  await assert.rejects(one.settled(leader.stopped), { code: 'disk-failed' });
});

test('a full disk stops the member, and what was acknowledged is there when it starts again', async (context) => {
  const one = await cluster(context, 1);
  const leader = one.member(await one.leader());
  await one.settled(leader.propose(put('kept', 'value')));
  one.runtime(0).disk.fail('write', { path: '/log/', code: 'disk-full' });
  leader.propose(put('lost', '')).catch(() => undefined);
  await assert.rejects(one.settled(leader.stopped), { code: 'disk-full' });
  await one.startMember(0);
  await one.leader();
  await one.settled(one.member(0).readBarrier());
  assert.equal(get(one.member(0), 'kept'), 'value');
});

test('an acknowledged write survives a power failure that loses everything unsynced', async (context) => {
  const one = await cluster(context, 1);
  const leader = one.member(await one.leader());
  for (let number = 0; number < 20; number++)
    await one.settled(leader.propose(put(`k${number}`, String(number))));
  one.runtime(0).disk.crash();
  leader.propose(put('more', '')).catch(() => undefined);
  // The dead process's disk operations never end, so neither does its stopping; its port is free in the end all the same.
  leader.stop().catch(() => undefined);
  await one.advance(1500);
  await one.startMember(0);
  await one.leader();
  await one.settled(one.member(0).readBarrier());
  assert.deepEqual(
    Array.from({ length: 20 }, (_, number) => get(one.member(0), `k${number}`)),
    Array.from({ length: 20 }, (_, number) => String(number)),
  );
});

test('a member that restarts from its snapshot has what was applied after it, too', async (context) => {
  const one = await cluster(context, 1, { snapshotCount: 10 });
  const leader = one.member(await one.leader());
  for (let number = 0; number < 35; number++)
    await one.settled(leader.propose(put(`k${number}`, String(number))));
  await one.advance(50);
  assert.ok(leader.status().snapshotIndex > 0);
  const { revision } = leader.keyspace;
  await one.settled(leader.stop());
  const again = await one.startMember(0);
  await one.leader();
  await one.settled(again.readBarrier());
  assert.equal(again.keyspace.revision, revision);
  assert.equal(get(again, 'k34'), '34');
});

test('a lease expires by the time in the log, with its keys, and not before its TTL', async (context) => {
  const three = await cluster(context, 3);
  await three.leader();
  const holder = three.member(0);
  await three.settled(holder.propose({ type: 'leaseGrant', lease: 5n, ttlMs: 800 }));
  const request = {
    key: bytes('leased'),
    value: bytes('x'),
    lease: 5n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  };
  await three.settled(holder.propose({ type: 'put', request }));
  await three.advance(700);
  assert.equal(get(holder, 'leased'), 'x');
  const remaining = await three.settled(holder.leaseRemainingMs(5n));
  assert.ok(remaining !== undefined && remaining > 0 && remaining <= 100, `${remaining} ms remain`);
  await three.advance(300);
  for (const position of [0, 1, 2]) {
    await three.settled(three.member(position).readBarrier());
    assert.equal(get(three.member(position), 'leased'), undefined);
  }
  assert.equal(await three.settled(holder.leaseRemainingMs(5n)), undefined);
});

test('without a majority nothing is acknowledged, read or expired, and all of it goes on when it is back', async (context) => {
  const three = await cluster(context, 3);
  const at = await three.leader();
  const others = [0, 1, 2].filter((position) => position !== at);
  const leader = three.member(at);
  await three.settled(leader.propose({ type: 'leaseGrant', lease: 5n, ttlMs: 500 }));
  for (const position of others) await three.settled(three.member(position).stop());
  // The last to stop may have handed leadership around; whoever is left has no majority.
  await assert.rejects(three.settled(leader.propose(put('k', 'v'), { timeoutMs: 2000 })));
  await assert.rejects(three.settled(leader.readBarrier({ timeoutMs: 500 })), { code: /no-leader|timeout/ });
  await three.advance(3000);
  assert.deepEqual(leader.keyspace.leases(), [5n]);
  for (const position of others) await three.startMember(position);
  await three.settled(leader.propose(put('k', 'w')));
  await three.advance(3000);
  assert.deepEqual(leader.keyspace.leases(), []);
});

test('a stopping leader hands over first, and says that it is stopping', async (context) => {
  const three = await cluster(context, 3);
  const at = await three.leader();
  const leader = three.member(at);
  const { term } = leader.status().raft;
  const told: boolean[] = [];
  leader.onChange((status) => told.push(status.stopping));
  await three.settled(leader.prepareToStop());
  assert.equal(told.includes(true), true);
  const next = await three.leader();
  assert.notEqual(next, at);
  assert.equal(three.member(next).status().raft.term, term + 1);
  // It still serves until it is stopped, by way of the new leader.
  await three.settled(leader.propose(put('k', 'v')));
  await three.settled(leader.stop());
  await assert.rejects(leader.propose(put('k', 'v')), { code: 'closed' });
  await assert.rejects(leader.readBarrier(), { code: 'closed' });
});

test('a leader that has lost its majority stops all the same', async (context) => {
  const three = await cluster(context, 3);
  const at = await three.leader();
  for (const position of [0, 1, 2])
    if (position !== at) three.runtime(position).disk.crash({ staysOff: true });
  await three.settled(three.member(at).stop());
  await assert.rejects(three.member(at).propose(put('k', 'v')), { code: 'closed' });
});

test('a data folder of another cluster is refused', async (context) => {
  const one = await cluster(context, 1);
  await one.settled(one.member(0).stop());
  const start = Member.start({
    name: 'm0',
    dataDir: '/data',
    peerListenUrls: ['http://127.0.0.1:3000'],
    clientAdvertiseUrls: [],
    initialCluster: [{ name: 'm0', peerUrls: ['http://127.0.0.1:3000'] }],
    initialClusterToken: 'another',
    runtime: one.runtime(0),
  });
  await assert.rejects(one.settled(start), { code: 'data-incompatible' });
});

test('a lease of a cluster of one, with nobody to send heartbeats to, ends in its time', async (context) => {
  const one = await cluster(context, 1);
  const leader = one.member(await one.leader());
  await one.settled(leader.propose({ type: 'leaseGrant', lease: 7n, ttlMs: 5000 }));
  await one.advance(4900);
  assert.equal(leader.keyspace.leaseCount, 1);
  await one.advance(200);
  assert.equal(leader.keyspace.leaseCount, 0);
});
