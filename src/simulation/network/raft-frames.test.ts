import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Frame, FrameSplitter, frameHead, frameKinds } from '../../member/peers/frames.ts';
import { encodeRaftMessage } from '../../member/peers/raft-codec.ts';
import { TestingWorld } from './testing.ts';

function raft(number: number): Uint8Array[] {
  const base = { group: 1, from: 1, to: 2, term: number, commitIndex: 0, session: 0, readContext: 0 };
  const message = { ...base, type: 'heartbeat', sentAtMs: 0, roundTripMs: 0, wantsAnswer: true } as const;
  const payload = encodeRaftMessage(message);
  return [frameHead(frameKinds.raft, 1, payload.length), payload];
}

function other(number: number): Uint8Array[] {
  const payload = Uint8Array.of(number);
  return [frameHead(frameKinds.request, 1, payload.length), payload];
}

async function sendFrames(seed: number, copied: boolean) {
  const life = new TestingWorld(seed, { peerPort: 7000 });
  const [near, far] = await life.pair();
  const link = life.network.link(life.host(0), life.host(1));
  Object.assign(link, { lossRate: 0.3, repeatRate: 0.5, reorderRate: 0.3, lateUs: 3000 });
  const tapped: number[] = [];
  life.network.onFrame = (from, to, frame) => {
    assert.deepEqual([from, to, frame.kind, frame.group], ['a', 'b', frameKinds.raft, 1]);
    tapped.push(frame.payload[17] as number);
  };
  const requests: number[] = [];
  const terms: number[] = [];
  const splitter = new FrameSplitter();
  far.connection.onData = (chunk) =>
    splitter.push(chunk, (frame: Frame) => {
      if (frame.kind === frameKinds.raft) terms.push(frame.payload[17] as number);
      else requests.push(frame.payload[0] as number);
    });
  const count = 200;
  for (let number = 0; number < count; number++) {
    const chunks = [...raft(number), ...other(number)];
    const before = tapped.length;
    near.connection.write(copied ? [Buffer.concat(chunks)] : chunks);
    assert.equal(tapped.length, before + 1);
    await life.run(number % 3);
  }
  await life.run(60_000);
  assert.deepEqual(
    tapped,
    Array.from({ length: count }, (_, number) => number),
  );
  assert.deepEqual(requests, tapped);
  return { terms, counts: life.network.counts };
}

describe('A link between two members', () => {
  test('loses, repeats and reorders single Raft messages, and nothing else', async () => {
    for (const copied of [false, true]) {
      const { terms, counts } = await sendFrames(11, copied);
      assert.equal(terms.length, 200 - counts.raftMessagesLost + counts.raftMessagesRepeated);
      assert.ok(counts.raftMessagesLost > 20 && counts.raftMessagesRepeated > 20);
      assert.ok(counts.raftMessagesOvertaken > 20);
      assert.notDeepEqual(
        terms,
        [...terms].sort((a, b) => a - b),
      );
    }
  });
});
