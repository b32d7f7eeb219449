import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RaftEvent } from '../raft/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { silentLogger } from './logger.ts';
import type { SnapshotAcknowledgement } from './snapshot-frames.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotStore } from './snapshots/index.ts';

const meta = { index: 9, term: 2, configuration: { voters: [1, 2] } };

async function receiver(appliedIndex: number) {
  const runtime = manualRuntime();
  const snapshots = new SnapshotStore({ disk: runtime.disk, folder: '/snapshots' });
  await snapshots.start();
  const events: RaftEvent[] = [];
  const acknowledged: SnapshotAcknowledgement[] = [];
  const link = { up: true };
  const made = new SnapshotReceiver({
    ...{ logger: silentLogger, group: 1, snapshots, appliedIndex: () => appliedIndex },
    acknowledge: (_to, acknowledgement) => {
      if (link.up) acknowledged.push(acknowledgement);
      return link.up;
    },
    step: (event) => events.push(event),
    fail: (error) => assert.fail(String(error)),
  });
  return { made, runtime, snapshots, events, acknowledged, link };
}

test('a snapshot is told to the core when all of it is durable', async () => {
  const { made, runtime, snapshots, events } = await receiver(0);
  const chunk = { session: 4, term: 3, meta, last: false, data: Uint8Array.of(1, 2) };
  made.receive(2, { ...chunk, sequence: 0 });
  await runtime.advance(1);
  assert.deepEqual(events, []);
  made.receive(2, { ...chunk, sequence: 1, last: true });
  await runtime.advance(1);
  assert.deepEqual(events, [{ type: 'snapshot-received', from: 2, term: 3, session: 4, snapshot: meta }]);
  assert.deepEqual((await snapshots.latest(1))?.meta, meta);
});

test('a snapshot that is not needed is refused, and the core hears of it, to tell the leader how far we are', async () => {
  const { made, runtime, snapshots, events, acknowledged } = await receiver(9);
  made.receive(2, { session: 4, term: 3, meta, sequence: 0, last: false, data: Uint8Array.of(1) });
  await runtime.advance(1);
  assert.deepEqual(acknowledged, [{ session: 4, sequence: 0, ok: false }]);
  assert.deepEqual(events, [{ type: 'snapshot-received', from: 2, term: 3, session: 4, snapshot: meta }]);
  assert.equal(await snapshots.latest(1), undefined);
});

test('what could not be acknowledged is when the connection to the leader stands', async () => {
  const { made, runtime, acknowledged, link } = await receiver(9);
  const chunk = { session: 4, term: 3, meta, sequence: 0, last: false, data: Uint8Array.of(1) };
  link.up = false;
  made.receive(2, chunk);
  await runtime.advance(1);
  assert.deepEqual(acknowledged, []);
  link.up = true;
  made.linkUp(3);
  made.linkUp(2);
  made.linkUp(2);
  assert.deepEqual(acknowledged, [{ session: 4, sequence: 0, ok: false }]);
});
