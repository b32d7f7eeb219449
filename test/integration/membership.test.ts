import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { patientElections } from './cluster.ts';
import { GrowingCluster, missing, type Seat, Writer } from './growing-cluster.ts';

const patience = { timeout: 300_000 };

async function assertNothingLost(cluster: GrowingCluster, writer: Writer): Promise<void> {
  const acknowledged = [...writer.acknowledged];
  for (const seat of cluster.running) assert.deepEqual(await missing(seat, acknowledged), [], seat.name);
}

/** It stops by itself, says why, and refuses to start with its folder again. */
async function assertGone(cluster: GrowingCluster, seat: Seat): Promise<void> {
  assert.equal(await seat.process?.ended, exitCodes.removed.code);
  assert.match(seat.process?.stderr ?? '', /was removed from the cluster/);
  cluster.run(seat);
  assert.equal(await seat.process?.ended, exitCodes.removed.code);
}

test(
  'under writes a cluster grows from 1 to 3 to 5 and shrinks back to 1, and nothing acknowledged is lost',
  patience,
  async () => {
    await using cluster = await GrowingCluster.start(5, 1);
    const writer = new Writer(cluster.client);
    await writer.more(20);
    for (const position of [1, 2, 3, 4]) {
      await cluster.join(cluster.seat(position));
      await writer.more(20);
      assert.equal((await cluster.membersBy(cluster.seat(position))).length, position + 1);
      await assertNothingLost(cluster, writer);
    }
    const list = await cluster.command('member', 'list');
    for (const { name, peerUrl, clientUrl } of cluster.seats)
      assert.match(list, new RegExp(`started +${name} +${peerUrl} +${clientUrl} +voter`));
    // Also whoever leads; the first one, too.
    for (const position of [2, 0, 4, 1]) {
      const seat = cluster.seat(position);
      await cluster.command('member', 'remove', seat.name);
      await assertGone(cluster, seat);
      await writer.more(20);
      await assertNothingLost(cluster, writer);
    }
    await writer.stop();
    assert.deepEqual(await missing(cluster.seat(3), writer.acknowledged), []);
    assert.equal((await cluster.membersBy(cluster.seat(3))).length, 1);
  },
);

test('the leader is removed: it hands over, and the others answer', patience, async () => {
  await using cluster = await GrowingCluster.start(3, 3);
  const writer = new Writer(cluster.client);
  await writer.more(10);
  const leader = await cluster.leader();
  await cluster.command('member', 'remove', leader.name);
  await cluster.leader(leader);
  await assertGone(cluster, leader);
  await writer.more(10);
  await writer.stop();
  await assertNothingLost(cluster, writer);
});

test('a member that is removed while it is away wakes up, disturbs nobody, and stops', patience, async () => {
  await using cluster = await GrowingCluster.start(3, 3, patientElections);
  const leader = await cluster.leader();
  const away = cluster.seats.find((seat) => seat !== leader) as Seat;
  away.process?.process.kill('SIGSTOP');
  const endpoint = ['--endpoints', leader.clientUrl];
  await cluster.command('member', 'remove', away.name, ...endpoint);
  const { term } = await cluster.until(leader, ({ role }) => role === 'leader');
  away.process?.process.kill('SIGCONT');
  assert.equal(await away.process?.ended, exitCodes.removed.code);
  const after = await cluster.state(leader);
  assert.deepEqual([after.role, after.term], ['leader', term]);
});

test(
  'a member that is dead is replaced under its name and address; one that lost its folder is refused before',
  patience,
  async () => {
    await using cluster = await GrowingCluster.start(3, 3);
    const writer = new Writer(cluster.client);
    await writer.more(20);
    const leader = await cluster.leader();
    const lost = cluster.seats.find((seat) => seat !== leader) as Seat;
    const before = (await cluster.membersBy(leader)).find(({ name }) => name === lost.name)?.ID;
    await cluster.kill(lost);
    await rm(lost.dataDir, { recursive: true });
    cluster.run(lost);
    assert.equal(await lost.process?.ended, exitCodes.removed.code);
    assert.match(lost.process?.stderr ?? '', /comes back without its data.*conclave member replace/);
    await cluster.replace(lost);
    const after = (await cluster.membersBy(leader)).find(({ peerURLs }) => peerURLs[0] === lost.peerUrl)?.ID;
    assert.notEqual(after, before);
    await writer.more(20);
    await writer.stop();
    await assertNothingLost(cluster, writer);
  },
);

test(
  'a learner is promoted, and when the leader is killed at once the two that are left go on',
  patience,
  async () => {
    await using cluster = await GrowingCluster.start(3, 2);
    const writer = new Writer(cluster.client);
    await writer.more(10);
    const learner = cluster.seat(2);
    await cluster.join(learner, '--learner');
    assert.match(await cluster.command('member', 'list'), / m3 .* learner/);
    const leader = await cluster.leader();
    await cluster.command('member', 'promote', learner.name);
    await cluster.kill(leader);
    await writer.more(10);
    await writer.stop();
    await assertNothingLost(cluster, writer);
  },
);

test(
  'after the changes all start again with the flags of old, and are what they became',
  patience,
  async () => {
    await using cluster = await GrowingCluster.start(3, 1);
    const writer = new Writer(cluster.client);
    await writer.more(5);
    await cluster.join(cluster.seat(1));
    await cluster.join(cluster.seat(2));
    await cluster.command('member', 'remove', 'm1');
    await assertGone(cluster, cluster.seat(0));
    await writer.more(5);
    await writer.stop();
    const rest = [cluster.seat(1), cluster.seat(2)];
    const ids = (await cluster.membersBy(cluster.seat(1))).map(({ ID }) => ID);
    for (const seat of rest) await cluster.kill(seat);
    // Of a cluster that is no more, and that this member was never in.
    for (const seat of rest) cluster.run(seat, ['--initial-cluster', `${seat.name}=${seat.peerUrl}`]);
    await cluster.leader();
    for (const seat of rest) {
      await cluster.until(seat, ({ leader }) => leader !== 0);
      assert.deepEqual(
        (await cluster.membersBy(seat)).map(({ ID }) => ID),
        ids,
      );
    }
    await assertNothingLost(cluster, writer);
  },
);

test('leadership is moved by name', patience, async () => {
  await using cluster = await GrowingCluster.start(3, 3);
  const leader = await cluster.leader();
  const target = cluster.seats.find((seat) => seat !== leader) as Seat;
  await cluster.until(target, (state) => state.leader !== 0);
  await cluster.command('move-leader', target.name);
  await cluster.until(target, ({ role }) => role === 'leader');
});
