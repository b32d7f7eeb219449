import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import type { Command } from '../../keyspace/index.ts';
import type { Group } from '../group.ts';
import type { Member } from '../member.ts';
import { setUp } from '../options.ts';
import type { Greeting } from '../peers/frames.ts';
import type { PeerAddress } from '../peers/transport.ts';
import { ManualCluster } from '../testing.ts';
import type { MembershipChange, MembershipOutcome } from '../types.ts';
import { Membership } from './membership.ts';
import { encodeClusterRecord, type MemberRecord } from './records.ts';

const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();
const put = (key: string): Command => ({
  type: 'put',
  request: {
    ...{ key: Buffer.from(key), value: Buffer.from(key), lease: 0n },
    ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
  },
});

async function write(cluster: ManualCluster, at: number, key: string): Promise<void> {
  await cluster.settled(cluster.member(at).propose(put(key)));
}

function has(member: Member, key: string): boolean {
  const found = member.keyspace.range({
    ...{ key: Buffer.from(key), rangeEnd: new Uint8Array(0), limit: 0, revision: 0 },
    ...{ sortOrder: 'none', sortTarget: 'key', keysOnly: false, countOnly: false },
    ...{ minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 },
  });
  return 'kvs' in found && text(found.kvs[0]?.value) === key;
}

async function changed(
  cluster: ManualCluster,
  at: number,
  change: MembershipChange,
): Promise<MembershipOutcome> {
  return cluster.settled(cluster.member(at).changeMembership(change));
}

/** Adds the member at this position, starts it, and waits until it has all that the leader had. */
async function join(
  cluster: ManualCluster,
  by: number,
  position: number,
  isLearner = false,
): Promise<number> {
  const added = await changed(cluster, by, { type: 'add', peerUrls: [cluster.peerUrl(position)], isLearner });
  assert.ok(added.ok, JSON.stringify(added));
  await cluster.startMember(position, { initialClusterState: 'existing' });
  await cluster.until(() => {
    const leader = cluster.members.find((member) => member?.status().raft.role === 'leader');
    const joined = cluster.member(position).status().raft;
    return leader !== undefined && joined.commitIndex >= leader.status().raft.lastIndex;
  });
  return added.memberId;
}

const idsOf = (member: Member) => member.status().members.map(({ memberId }) => memberId);

test('one member becomes two and three; who joined has everything, its name and its client URLs stand with all', async () => {
  const cluster = await ManualCluster.start(1, {}, 3);
  await cluster.leader();
  await write(cluster, 0, 'a');
  const second = await join(cluster, 0, 1);
  await join(cluster, 1, 2);
  await write(cluster, 2, 'b');
  const described = () => cluster.members.map((member) => JSON.stringify(member?.status().members));
  await cluster.until(() => new Set(described()).size === 1 && described()[0]?.includes('"m2"') === true);
  for (const member of cluster.members) {
    assert.equal(member?.status().members.length, 3);
    assert.equal(member.status().raft.configuration.voters.length, 3);
  }
  assert.ok(has(cluster.member(2), 'a'));
  assert.deepEqual(
    cluster
      .member(0)
      .status()
      .members.find(({ memberId }) => memberId === second),
    {
      ...{ memberId: second, name: 'm1', isLearner: false },
      ...{ peerUrls: ['http://127.0.0.1:3001'], clientUrls: ['http://127.0.0.1:2001'] },
    },
  );
  await cluster.stop();
});

test('a learner gets everything and does not count; caught up, it is promoted and votes', async () => {
  const cluster = await ManualCluster.start(1, {}, 2);
  await cluster.leader();
  const learner = await join(cluster, 0, 1, true);
  assert.equal(cluster.member(1).isLearner, true);
  await cluster.stopMember(1);
  await write(cluster, 0, 'alone');
  await cluster.startMember(1);
  await cluster.until(() => has(cluster.member(1), 'alone'));
  assert.deepEqual(
    await changed(cluster, 0, { type: 'add', peerUrls: ['http://127.0.0.1:9'], isLearner: true }),
    {
      ok: false,
      failure: 'too-many-learners',
    },
  );
  assert.ok((await changed(cluster, 1, { type: 'promote', memberId: learner })).ok);
  await cluster.until(() => !cluster.member(1).isLearner);
  assert.equal(cluster.member(0).status().raft.configuration.voters.length, 2);
  await cluster.stop();
});

test('a learner that is not there is not promoted', async () => {
  const cluster = await ManualCluster.start(1, {}, 1);
  await cluster.leader();
  const added = await changed(cluster, 0, { type: 'add', peerUrls: ['http://127.0.0.1:9'], isLearner: true });
  assert.ok(added.ok);
  assert.deepEqual(await changed(cluster, 0, { type: 'promote', memberId: added.memberId }), {
    ok: false,
    failure: 'learner-not-ready',
  });
  await cluster.stop();
});

test('a removed member stops by itself, says why, and does not start again', async () => {
  const cluster = await ManualCluster.start(3);
  const leader = await cluster.leader();
  const follower = (leader + 1) % 3;
  const gone = cluster.member(follower);
  const ended = gone.stopped.then(
    () => assert.fail('it did not say why'),
    (error: unknown) => error,
  );
  assert.ok((await changed(cluster, follower, { type: 'remove', memberId: gone.memberId })).ok);
  const error = await cluster.settled(ended);
  assert.ok(ConclaveError.is(error, 'removed'), String(error));
  cluster.members[follower] = undefined;
  await assert.rejects(cluster.startMember(follower), (error) => ConclaveError.is(error, 'removed'));
  await write(cluster, leader, 'goes on');
  assert.equal(idsOf(cluster.member(leader)).length, 2);
  await cluster.stop();
});

test('a leader that is removed hands over first; the others go on', async () => {
  const cluster = await ManualCluster.start(3);
  const leader = await cluster.leader();
  const gone = cluster.member(leader);
  const ended = gone.stopped.catch((error: unknown) => error);
  const other = (leader + 1) % 3;
  assert.ok((await changed(cluster, leader, { type: 'remove', memberId: gone.memberId })).ok);
  assert.ok(ConclaveError.is(await cluster.settled(ended), 'removed'));
  cluster.members[leader] = undefined;
  await write(cluster, other, 'goes on');
  await cluster.stop();
});

test('one that was away while it was removed is told when it comes back', async () => {
  const cluster = await ManualCluster.start(3);
  const leader = await cluster.leader();
  const away = (leader + 1) % 3;
  const { memberId } = cluster.member(away);
  await cluster.stopMember(away);
  assert.ok((await changed(cluster, leader, { type: 'remove', memberId })).ok);
  await cluster.advance(7000);
  const { term } = cluster.member(leader).status().raft;
  const back = await cluster.startMember(away);
  const error = await cluster.settled(back.stopped.catch((error: unknown) => error));
  assert.ok(ConclaveError.is(error, 'removed'));
  cluster.members[away] = undefined;
  assert.equal(cluster.member(leader).status().raft.term, term);
  await cluster.stop();
});

test('a member that comes back with an empty disk is refused, and told what to do', async () => {
  const cluster = await ManualCluster.start(3);
  const leader = await cluster.leader();
  const lost = (leader + 1) % 3;
  await write(cluster, leader, 'a');
  await cluster.advance(1000);
  await cluster.stopMember(lost);
  cluster.wipe(lost);
  const back = await cluster.startMember(lost);
  const error = await cluster.settled(back.stopped.catch((error: unknown) => error));
  assert.ok(ConclaveError.is(error, 'removed'));
  assert.match(error.message, /comes back without its data.*member replace/);
  cluster.members[lost] = undefined;
  cluster.wipe(lost);
  await assert.rejects(
    cluster.startMember(lost, { initialClusterState: 'existing' }),
    (error) => ConclaveError.is(error, 'removed') && /has run before/.test(error.message),
  );
  await cluster.stop();
});

test('a folder that a refused start left is as good as none, for who is refused again and for who joins', async () => {
  const cluster = await ManualCluster.start(3);
  const leader = await cluster.leader();
  const lost = (leader + 1) % 3;
  const { memberId } = cluster.member(lost);
  await write(cluster, leader, 'a');
  await cluster.advance(1000);
  await cluster.stopMember(lost);
  cluster.wipe(lost);
  const refused = async (text: RegExp) => {
    const { stopped } = await cluster.startMember(lost);
    await assert.rejects(cluster.settled(stopped), text);
    cluster.members[lost] = undefined;
  };
  await refused(/comes back without its data/);
  await refused(/comes back without its data/);
  assert.ok((await changed(cluster, leader, { type: 'remove', memberId })).ok);
  await refused(/was removed from the cluster/);
  assert.notEqual(await join(cluster, leader, lost), memberId);
  assert.ok(has(cluster.member(lost), 'a'));
  await cluster.stopMember(lost);
  await cluster.startMember(lost);
  await write(cluster, lost, 'b');
  await cluster.stop();
});

test('its place is taken by a new member under a new id, at the same address', async () => {
  const cluster = await ManualCluster.start(3);
  const leader = await cluster.leader();
  const lost = (leader + 1) % 3;
  const { memberId } = cluster.member(lost);
  await write(cluster, leader, 'a');
  await cluster.stopMember(lost);
  cluster.wipe(lost);
  assert.ok((await changed(cluster, leader, { type: 'remove', memberId })).ok);
  const fresh = await join(cluster, leader, lost);
  assert.notEqual(fresh, memberId);
  assert.ok(has(cluster.member(lost), 'a'));
  // From then on its folder says who it is, whatever the flags say.
  await cluster.stopMember(lost);
  const again = await cluster.startMember(lost, { initialClusterState: 'new' });
  assert.equal(again.memberId, fresh);
  await write(cluster, lost, 'b');
  await cluster.stop();
});

test('who is not expected cannot join', async () => {
  const cluster = await ManualCluster.start(1, {}, 2);
  await cluster.leader();
  await assert.rejects(
    cluster.startMember(1, { initialClusterState: 'existing' }),
    (error) =>
      ConclaveError.is(error, 'failed-precondition') &&
      /expects no member with the peer URLs/.test(error.message),
  );
  await cluster.stop();
});

test('changes that etcd refuses are refused, with nothing changed', async () => {
  const cluster = await ManualCluster.start(3);
  const leader = await cluster.leader();
  const { memberId } = cluster.member((leader + 1) % 3);
  const failureOf = async (change: MembershipChange) => {
    const outcome = await changed(cluster, leader, change);
    return outcome.ok ? 'done' : outcome.failure;
  };
  const before = cluster.member(leader).status().raft.lastIndex;
  assert.equal(await failureOf({ type: 'remove', memberId: 5 }), 'not-found');
  assert.equal(await failureOf({ type: 'promote', memberId: 5 }), 'not-found');
  assert.equal(await failureOf({ type: 'promote', memberId }), 'not-learner');
  assert.equal(await failureOf({ type: 'update', memberId: 5, peerUrls: ['http://h:1'] }), 'not-found');
  const taken = [cluster.peerUrl(leader)];
  assert.equal(await failureOf({ type: 'update', memberId, peerUrls: taken }), 'peer-urls-exist');
  assert.equal(await failureOf({ type: 'add', peerUrls: taken, isLearner: false }), 'peer-urls-exist');
  await assert.rejects(
    cluster.member(leader).changeMembership({ type: 'add', peerUrls: ['x'], isLearner: false }),
    {
      code: 'invalid-argument',
    },
  );
  assert.equal(cluster.member(leader).status().raft.lastIndex, before);
  await cluster.stopMember((leader + 1) % 3);
  await cluster.advance(100);
  assert.equal(await failureOf({ type: 'add', peerUrls: ['http://h:1'], isLearner: false }), 'unhealthy');
  assert.equal(
    await failureOf({ type: 'remove', memberId: cluster.member((leader + 2) % 3).memberId }),
    'unhealthy',
  );
  await cluster.stop();
});

function unstarted(follow: (peers: readonly PeerAddress[]) => void = () => undefined) {
  const setup = setUp({
    ...{ name: 'm0', dataDir: '/data', peerListenUrls: [], clientAdvertiseUrls: [] },
    initialCluster: [{ name: 'm0', peerUrls: ['http://h:1'] }],
  });
  const status = () => ({ term: 1, lastIndex: 9 });
  const membership = new Membership({
    setup,
    group: () => ({ role: { role: 'follower', term: 1, leader: 0 }, raft: { status } }) as unknown as Group,
    ...{ follow, isConnected: () => false, announced: () => undefined, fail() {} },
    markRemoved: () => Promise.reject(new Error('it was not removed')),
  });
  return { setup, membership };
}

test('a member whose log does not name it yet says where it is as it was started', () => {
  const { setup, membership } = unstarted();
  const others = { voters: [5, 6], context: encodeClusterRecord({ members: [], removed: [] }) };
  membership.begin({ index: 3, configuration: others }, others);
  assert.deepEqual(membership.greeting().peerUrls, ['http://h:1']);
  const record = { memberId: setup.memberId, name: 'm0', clientUrls: [], hasData: true };
  const context = encodeClusterRecord({ members: [{ ...record, peerUrls: ['http://h:2'] }], removed: [] });
  membership.configured({ index: 4, configuration: { voters: [setup.memberId, 5, 6], context } });
  assert.deepEqual(membership.greeting().peerUrls, ['http://h:2']);
});

test('who greets is let in, refused for now, or told that it has no place here any more', () => {
  const { setup, membership } = unstarted();
  const record = (memberId: number, hasData: boolean): MemberRecord => ({
    ...{ memberId, hasData, name: `m${memberId}`, peerUrls: [], clientUrls: [] },
  });
  const context = encodeClusterRecord({ members: [record(5, true), record(6, false)], removed: [7] });
  const configuration = { voters: [setup.memberId, 5, 6], context };
  membership.begin({ index: 20, configuration }, configuration);
  const admitted = (from: number, said: Partial<Greeting> = {}) =>
    membership.admit({
      ...{ version: 1, clusterId: setup.clusterId, from, to: setup.memberId },
      ...{ fresh: false, configurationIndex: 20, peerUrls: [], ...said },
    })?.code ?? 'let in';
  assert.equal(admitted(5), 'let in');
  assert.equal(admitted(5, { fresh: true }), 'lost-data');
  assert.equal(admitted(6, { fresh: true }), 'let in');
  assert.equal(admitted(7), 'removed');
  assert.equal(admitted(8), 'unknown');
  // It joined by a change that we have not heard of yet.
  assert.equal(admitted(8, { configurationIndex: 21 }), 'let in');
  assert.equal(admitted(7, { configurationIndex: 21 }), 'removed');
});

test('who leaves by a change that is not committed is let in until it is', () => {
  const followed: number[][] = [];
  const { setup, membership } = unstarted((peers) => followed.push(peers.map(({ memberId }) => memberId)));
  const record = (memberId: number): MemberRecord => ({
    ...{ memberId, hasData: true, name: `m${memberId}`, peerUrls: [], clientUrls: [] },
  });
  const contextOf = (members: number[], removed: number[]) =>
    encodeClusterRecord({ members: members.map(record), removed });
  const committed = { voters: [setup.memberId, 5, 6], context: contextOf([5, 6], []) };
  const without = { voters: [setup.memberId, 6], context: contextOf([6], [5]) };
  membership.begin({ index: 20, configuration: committed }, committed);
  const admitted = (fresh = false) =>
    membership.admit({
      ...{ version: 1, clusterId: setup.clusterId, from: 5, to: setup.memberId },
      ...{ fresh, configurationIndex: 20, peerUrls: [] },
    })?.code ?? 'let in';
  membership.configured({ index: 30, configuration: without });
  assert.equal(admitted(), 'let in');
  assert.equal(admitted(true), 'lost-data');
  assert.deepEqual(followed, [[5, 6], [6]]);
  membership.noteApplied(without);
  assert.equal(admitted(), 'removed');
  // What it was let in by is looked at anew.
  assert.deepEqual(followed, [[5, 6], [6], [6]]);
});
