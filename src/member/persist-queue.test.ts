import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistRequest, RaftMessage } from '../raft/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { openLog } from './log/index.ts';
import { PersistQueue } from './persist-queue.ts';
import { RecentDelays } from './recent-delays.ts';

function write(persistId: number): PersistRequest {
  const entry = { index: persistId, term: 1, kind: 'command', data: new Uint8Array(3) } as const;
  const hardState = { term: 1, votedFor: 0, commitIndex: 0 };
  return { persistId, hardState, snapshot: undefined, entries: [entry], mustSync: true };
}

const message = (term: number) =>
  ({ type: 'timeout-now', group: 1, from: 1, to: 2, term }) satisfies RaftMessage;

test('what waits for a write is sent when it is durable, before the core hears of it, and leaves when no more is to come', async () => {
  const { disk, random, clock } = manualRuntime();
  const { log } = await openLog({ disk, random, folder: '/log', clusterId: 1, memberId: 1 });
  const seen: string[] = [];
  const done = Promise.withResolvers<void>();
  const queue: PersistQueue = new PersistQueue({
    group: 1,
    log,
    clock,
    delays: new RecentDelays(),
    step: (event) => seen.push(event.type === 'persisted' ? `persisted ${event.persistId}` : event.type),
    send: (messages) => seen.push(`sent ${messages.map(({ term }) => term).join(' ')}`),
    flush: () => {
      seen.push(queue.isWriting ? 'flush later' : 'flush');
      if (!queue.isWriting) done.resolve();
    },
    fail: done.reject,
  });
  queue.add(undefined, [message(7)]);
  assert.deepEqual(seen.splice(0), ['sent 7']);
  queue.add(write(1), [message(1)]);
  queue.add(write(2), []);
  queue.add(undefined, [message(2), message(3)]);
  assert.deepEqual([seen.length, queue.isWriting], [0, true]);
  await done.promise;
  const expected = ['sent 1', 'persisted 1', 'flush later', 'sent 2 3', 'persisted 2', 'flush'];
  assert.deepEqual(seen, expected);
  await log.close();
});
