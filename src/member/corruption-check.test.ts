import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { type Command, encodeBatch, Keyspace } from '../keyspace/index.ts';
import { judge, type Testimony } from './corruption-verdict.ts';
import type { Member } from './member.ts';
import type { MemberOptions } from './options.ts';
import { ManualCluster } from './testing.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

function put(key: string, value: string): Command {
  const request = { key: bytes(key), value: bytes(value), lease: 0n };
  return { type: 'put', request: { ...request, prevKv: false, ignoreValue: false, ignoreLease: false } };
}

async function cluster(
  context: TestContext,
  size: number,
  changes: Partial<MemberOptions>,
): Promise<ManualCluster> {
  const made = await ManualCluster.start(size, changes);
  context.after(() => made.stop().catch(() => undefined));
  return made;
}

/** Puts another state of the same revision and index in place of a member's own, as a bug in applying would. */
function corrupt(member: Member): void {
  const keyspace = member.keyspace as Keyspace;
  const other = new Keyspace();
  const commands = Array.from({ length: keyspace.revision - 1 }, (_, at) => put('other', String(at)));
  const submitted = commands.map((command) => ({ command, identity: undefined }));
  other.apply(keyspace.appliedIndex, encodeBatch({ timeMs: keyspace.timeMs, commands: submitted }));
  const reader = other.snapshot();
  const writer = keyspace.restore();
  for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next()) writer.write(chunk);
  writer.finish();
}

const isDamaged = (error: unknown) => {
  assert.ok(ConclaveError.is(error, 'data-damaged'), String(error));
  assert.match(error.message, /differs from that of the cluster/);
  return true;
};

test('a follower whose state differs takes itself out for good, and the others go on', async (context) => {
  const three = await cluster(context, 3, { corruptCheckMs: 1000 });
  const leader = three.member(await three.leader());
  for (const key of ['a', 'b', 'c']) await three.settled(leader.propose(put(key, 'x')));
  const at = three.members.findIndex((member) => member !== leader);
  const outcast = three.member(at);
  await three.settled(outcast.readBarrier());
  corrupt(outcast);
  await assert.rejects(three.settled(outcast.stopped), isDamaged);
  three.members[at] = undefined;
  await three.settled(leader.propose(put('d', 'goes on')));
  assert.deepEqual(leader.keyspace.alarms(), [{ kind: 'corrupt-member', member: BigInt(outcast.memberId) }]);
  await assert.rejects(three.startMember(at), isDamaged);
});

test('a leader whose state differs takes itself out, too', async (context) => {
  const three = await cluster(context, 3, { corruptCheckMs: 1000 });
  const leader = three.member(await three.leader());
  await three.settled(leader.propose(put('a', 'x')));
  await three.settled(Promise.all(three.members.map((member) => member?.readBarrier())));
  corrupt(leader);
  await assert.rejects(three.settled(leader.stopped), isDamaged);
  three.members[three.members.indexOf(leader)] = undefined;
  const next = three.member(await three.leader());
  await three.settled(next.propose(put('b', 'goes on')));
});

test('where no majority agrees, writes stop on all members, as in etcd', async (context) => {
  const two = await cluster(context, 2, { corruptCheckMs: 1000 });
  const leader = two.member(await two.leader());
  const follower = two.members.find((member) => member !== leader) as Member;
  await two.settled(leader.propose(put('a', 'x')));
  await two.settled(follower.readBarrier());
  corrupt(follower);
  while (leader.keyspace.alarms().length === 0) await two.advance(50);
  assert.deepEqual(leader.keyspace.alarms(), [{ kind: 'corrupt', member: 0n }]);
  const { outcome } = await two.settled(leader.propose(put('b', 'y')));
  assert.deepEqual(outcome, { type: 'failed', failure: 'corrupt' });
});

test('where the voter that could decide is away for a while, writes go on until it is back and tells who is wrong', async (context) => {
  const three = await cluster(context, 3, { corruptCheckMs: 1000 });
  const leader = three.member(await three.leader());
  await three.settled(leader.propose(put('a', 'x')));
  await three.settled(Promise.all(three.members.map((member) => member?.readBarrier())));
  const [at, other] = [0, 1, 2].filter((each) => three.members[each] !== leader) as [number, number];
  const outcast = three.member(at);
  await three.settled(three.member(other).stop());
  three.members[other] = undefined;
  corrupt(outcast);
  for (let step = 0; step < 200; step++) await three.advance(50);
  assert.deepEqual(leader.keyspace.alarms(), []);
  const { outcome } = await three.settled(leader.propose(put('b', 'y')));
  assert.equal(outcome.type, 'put');
  await three.startMember(other);
  await assert.rejects(three.settled(outcast.stopped), isDamaged);
  three.members[at] = undefined;
  assert.deepEqual(leader.keyspace.alarms(), [{ kind: 'corrupt-member', member: BigInt(outcast.memberId) }]);
});

test('a member compares itself with the others before it serves', async (context) => {
  const three = await cluster(context, 3, { initialCorruptCheck: true });
  const leader = three.member(await three.leader());
  await three.settled(leader.propose(put('a', 'x')));
  const at = three.members.findIndex((member) => member !== leader);
  const follower = three.member(at);
  await three.settled(follower.readBarrier());
  corrupt(follower);
  // So that it comes back with what it has.
  await three.settled(follower.upkeep.defragment());
  await three.settled(follower.stop());
  await assert.rejects(three.startMember(at), isDamaged);
  three.members[at] = undefined;
});

test('members that are alike are left alone, through compactions and under writes', async (context) => {
  const three = await cluster(context, 3, { corruptCheckMs: 20 });
  const leader = three.member(await three.leader());
  for (let number = 0; number < 60; number++) {
    await three.settled(leader.propose(put(`key-${number % 7}`, String(number))));
    if (number % 10 === 9) {
      await three.settled(leader.propose({ type: 'compact', revision: leader.keyspace.revision - 3 }));
    }
  }
  assert.deepEqual(leader.keyspace.alarms(), []);
});

const say = (member: number, hash: number, compactRevision = 1, stateHash?: number): Testimony => ({
  ...{ member, hash, compactRevision, stateHash },
});

test('only a majority of all voters tells who is wrong, and only those who compacted alike are compared', () => {
  const voters = [1, 2, 3];
  assert.deepEqual(judge([say(1, 7), say(2, 7), say(3, 7)], voters), { outcasts: [], undecided: false });
  assert.deepEqual(judge([say(1, 7), say(2, 7), say(3, 8)], voters), { outcasts: [3], undecided: false });
  assert.deepEqual(judge([say(1, 8), say(2, 7), say(3, 7)], voters), { outcasts: [1], undecided: false });
  assert.deepEqual(judge([say(1, 7), say(3, 8)], voters), { outcasts: [], undecided: true });
  assert.deepEqual(judge([say(1, 7), say(2, 7, 2), say(3, 8, 3)], voters), {
    outcasts: [],
    undecided: false,
  });
  assert.deepEqual(judge([say(1, 7), say(2, 7), say(4, 8)], voters), { outcasts: [4], undecided: false });
  // Two learners that agree with nobody else are no majority.
  assert.deepEqual(judge([say(1, 7), say(4, 8), say(5, 8)], voters), { outcasts: [], undecided: true });
  assert.deepEqual(judge([say(1, 7, 1, 5), say(2, 7, 1, 5), say(3, 7, 1, 6)], voters), {
    ...{ outcasts: [3], undecided: false },
  });
});
