// Commands and states that this version cannot read: what is kept out, and what stops a member.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { encodeSubmittedCommand } from '../keyspace/index.ts';
import { encodeGreeting, frameHead, frameKinds } from './peers/frames.ts';
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from './requests.ts';
import { SnapshotStore } from './snapshots/index.ts';
import { ManualCluster } from './testing.ts';

async function cluster(context: TestContext, size: number): Promise<ManualCluster> {
  const made = await ManualCluster.start(size);
  context.after(() => made.stop().catch(() => undefined));
  return made;
}

const put = {
  type: 'put',
  request: { ...{ key: Uint8Array.of(1), value: Uint8Array.of(2), lease: 0n } },
} as const;
const flags = { prevKv: false, ignoreValue: false, ignoreLease: false };
const write = { ...put, request: { ...put.request, ...flags } };

test('what a peer forwards and nobody could read never gets into the log', async (context) => {
  const three = await cluster(context, 3);
  const at = await three.leader();
  const leader = three.member(at);
  await three.settled(leader.propose(write));
  const follower = (at + 1) % 3;
  const { memberId, clusterId } = three.member(follower);
  const { network } = three.runtime(follower);
  const connection = await three.settled(
    network.connect({ host: '127.0.0.1', port: 3000 + at }, { timeoutMs: 1000 }),
  );
  const greeting = encodeGreeting({ version: 1, clusterId, from: memberId, to: leader.memberId });
  connection.write([frameHead(frameKinds.greeting, 0, greeting.length), greeting]);
  const whole = encodeSubmittedCommand({ command: write, identity: undefined });
  const nonsense = [
    Uint8Array.of(),
    Uint8Array.of(0, 200),
    Uint8Array.of(9, 9, 9, 9),
    whole.subarray(0, whole.length - 1),
    Uint8Array.of(...whole, 0),
  ];
  for (const [requestId, encoded] of nonsense.entries()) {
    const request = encodeRequest({ type: 'propose', requestId, encoded });
    connection.write([frameHead(frameKinds.request, 1, request.length), request]);
  }
  const url = 'http://127.0.0.1:9';
  const changes: unknown[] = [
    null,
    {},
    { change: null, memberId: 9, again: false },
    { change: { type: 'add', peerUrls: ['no url'], isLearner: true }, memberId: 9, again: false },
    { change: { type: 'add', peerUrls: [], isLearner: true }, memberId: 9, again: false },
    { change: { type: 'add', peerUrls: [url], isLearner: 'yes' }, memberId: 9, again: false },
    { change: { type: 'add', peerUrls: [url], isLearner: true }, memberId: 0.5, again: false },
    { change: { type: 'add', peerUrls: [url], isLearner: true }, memberId: -1, again: false },
    {
      change: { type: 'update', memberId, peerUrls: [`${url}/${'x'.repeat(9000)}`] },
      memberId,
      again: false,
    },
    { change: { type: 'update', memberId, peerUrls: Array(101).fill(url) }, memberId, again: false },
    { change: { type: 'update', memberId, peerUrls: [7] }, memberId, again: false },
    { change: { type: 'update', memberId, peerUrls: ['ftp://x'] }, memberId, again: false },
    { change: { type: 'invert', memberId }, memberId, again: true },
  ];
  for (const [requestId, change] of changes.entries()) {
    const request = encodeRequest({ type: 'membership', requestId, request: change as never });
    connection.write([frameHead(frameKinds.request, 1, request.length), request]);
  }
  await three.advance(2000);
  assert.equal(leader.status().members.length, 3);
  connection.destroy();
  for (let position = 0; position < 3; position++) {
    const member = three.member(position);
    const { revision } = (await three.settled(member.propose(write))) as { revision: number };
    assert.ok(revision > 2);
  }
});

test('a result that no frame carries is refused, and the members stay connected', async (context) => {
  const three = await cluster(context, 3);
  const at = await three.leader();
  const leader = three.member(at);
  const value = new Uint8Array(1024 * 1024);
  for (let number = 0; number < 34; number++) {
    const request = { ...write.request, key: Uint8Array.of(1, number), value };
    await three.settled(leader.propose({ type: 'put', request }));
  }
  const follower = three.member((at + 1) % 3);
  const none = { minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 };
  const shape = { sortOrder: 'none', sortTarget: 'key', keysOnly: false, countOnly: false } as const;
  const all = { key: Uint8Array.of(1), rangeEnd: Uint8Array.of(2), limit: 0, revision: 0, ...none, ...shape };
  const read = { compare: [], success: [{ type: 'range', request: all }], failure: [] } as const;
  const links: string[] = [];
  leader.onChange((status) => {
    if (status.peers.some(({ connected }) => !connected)) links.push('down');
  });
  const txn = follower.propose({ type: 'txn', request: read });
  await assert.rejects(three.settled(txn), (error: Error) => {
    assert.ok(ConclaveError.is(error, 'too-large'), String(error));
    return /result is more than members send each other/.test(error.message);
  });
  assert.deepEqual(links, []);
  await three.settled(follower.propose(write));
});

test('an answer without a result says why, also to those that know fewer answers', () => {
  for (const type of ['retry', 'refused', 'not-understood', 'result-too-large'] as const) {
    assert.deepEqual(decodeResponse(encodeResponse({ type, requestId: 5 })), { type, requestId: 5 });
  }
  const encoded = Uint8Array.of(1);
  const request = { type: 'propose', requestId: 3, encoded } as const;
  assert.deepEqual(decodeRequest(encodeRequest(request)), request);
});

test('a snapshot whose content is of another version is told as such, with what to do', async (context) => {
  const one = await cluster(context, 1);
  const leader = one.member(await one.leader());
  await one.settled(leader.propose(write));
  await one.settled(leader.upkeep.defragment());
  await one.stopMember(0);
  const { disk } = one.runtime(0);
  const snapshots = new SnapshotStore({ disk, folder: '/data/snapshots' });
  const latest = await one.settled(snapshots.latest(1));
  assert.ok(latest);
  const sink = await one.settled(snapshots.create(1, { ...latest.meta, index: latest.meta.index + 1 }));
  await one.settled(sink.write(Uint8Array.from({ length: 64 }, (_, at) => at)));
  await one.settled(sink.finish());
  await assert.rejects(one.startMember(0), (error: Error) => {
    assert.ok(ConclaveError.is(error, 'data-incompatible'), String(error));
    assert.match(
      error.message,
      /^The snapshot '\/data\/snapshots\/.*another version of Conclave.*member replace\.$/,
    );
    return true;
  });
});
