import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeWith } from '../conformance/wrapping.ts';
import { manualRuntime, settle } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { type ReadWriteLockOptions, readWriteLock, resizeReadWriteLock, Session } from './index.ts';
import type { StoreSession } from './store.ts';

function setUp(maxReaders = 3) {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const order: string[] = [];
  const take = async (mode: 'read' | 'write', holder: string, more: Partial<ReadWriteLockOptions> = {}) => {
    const held = await readWriteLock(store, 'c', { mode, maxReaders, ttlMs: 1000, holder, runtime, ...more });
    order.push(holder);
    return held;
  };
  return { runtime, store, order, take };
}

test('readers hold it together; a writer alone, with a token higher than all before', async () => {
  const { runtime, order, take } = setUp();
  const readers = await settle(runtime, Promise.all([take('read', 'a'), take('read', 'b')]));
  const writing = take('write', 'w');
  await runtime.advance(5000);
  const late = take('read', 'late');
  await runtime.advance(5000);
  assert.deepEqual(order.sort(), ['a', 'b']);
  await settle(runtime, Promise.all(readers.map((reader) => reader.release())));
  const writer = await settle(runtime, writing);
  assert.equal(writer.mode, 'write');
  assert(readers.every(({ token }) => token < writer.token));
  await runtime.advance(5000);
  assert.equal(order.length, 3, 'nobody reads while one writes');
  writer.assertHeld();
  await settle(runtime, writer.release());
  const reader = await settle(runtime, late);
  assert(reader.token > writer.token);
  await settle(runtime, reader.release());
});

test('neither readers nor writers starve: each is served in the order in which it came', async () => {
  const { runtime, order, take } = setUp();
  const all: Promise<void>[] = [];
  const came = ['r1', 'w1', 'r2', 'r3', 'w2', 'w3', 'r4'];
  for (const holder of came) {
    const serve = async () => {
      const held = await take(holder.startsWith('r') ? 'read' : 'write', holder);
      await new Promise<void>((resolve) => void runtime.timers.after(300, resolve));
      held.assertHeld();
      await held.release();
    };
    all.push(serve());
    await runtime.advance(20);
  }
  await settle(runtime, Promise.all(all));
  assert.deepEqual(order, came);
});

test('one reader more than there may be waits for one to leave', async () => {
  const { runtime, order, take } = setUp(2);
  const [first] = await settle(runtime, Promise.all([take('read', 'a'), take('read', 'b')]));
  const third = take('read', 'c');
  await runtime.advance(3000);
  assert.equal(order.length, 2);
  await settle(runtime, first?.release() ?? Promise.reject());
  (await settle(runtime, third)).assertHeld();
});

test('a writer that gives up half way lets the others on', async () => {
  const { runtime, take } = setUp(3);
  const reader = await settle(runtime, take('read', 'r'));
  const stop = new AbortController();
  const writing = take('write', 'w', { signal: stop.signal });
  await runtime.advance(1000);
  stop.abort();
  await assert.rejects(settle(runtime, writing), { code: 'aborted' });
  const others = await settle(runtime, Promise.all([take('read', 'r2'), take('read', 'r3')]));
  reader.assertHeld();
  await settle(runtime, Promise.all([reader, ...others].map((held) => held.release())));
  (await settle(runtime, take('write', 'w2'))).assertHeld();
});

test('a writer that dies is followed by the next, and knows before', async () => {
  const { runtime, store, take } = setUp();
  const writer = await settle(runtime, take('write', 'w'));
  const next = take('write', 'next');
  await runtime.advance(100);
  const stalled = runtime.clock.stall(1500);
  assert.throws(() => writer.assertHeld(), {
    code: 'not-leading',
    message: /read-write lock "c" for writing/,
  });
  await store.read('any');
  await stalled;
  assert((await settle(runtime, next)).token > writer.token);
});

test('a writer that lost any of what it holds has lost the lock', async () => {
  for (const slot of [0, 1, 2]) {
    const { runtime, store } = setUp();
    const opened: StoreSession[] = [];
    const seen = storeWith(store, {
      openSession: async (options) => {
        const session = await store.openSession(options);
        opened.push(session);
        return session;
      },
    });
    const options = { mode: 'write', maxReaders: 3, ttlMs: 1000, holder: 'w', runtime } as const;
    const writer = await settle(runtime, readWriteLock(seen, 'c', options));
    const name = `~read-write-lock/c/slot-${slot}`;
    const token = (await store.read(name)).leader?.token ?? -1;
    assert.equal(await opened[0]?.release(name, token), true);
    await runtime.advance(100);
    assert.equal(writer.signal.aborted, true, `slot ${slot}`);
    assert.throws(() => writer.assertHeld(), { code: 'not-leading', message: /it was lost/ });
    await settle(runtime, writer.release());
  }
});

test('those behind a writer wait at one place only', async () => {
  const { runtime, store, take } = setUp();
  const writer = await settle(runtime, take('write', 'w'));
  const waits = [take('read', 'a'), take('write', 'b')];
  await runtime.advance(3000);
  for (let slot = 0; slot < 3; slot++) {
    assert.deepEqual((await store.read(`~read-write-lock/c/slot-${slot}`)).waiting, []);
  }
  await settle(runtime, writer.release());
  for (const wait of waits) await settle(runtime, (await settle(runtime, wait)).release());
});

test('through one session, a reader and a writer exclude each other too', async () => {
  const { runtime, store, order, take } = setUp();
  await using session = new Session(store, { ttlMs: 1000, holder: 'one', runtime });
  const reader = await settle(runtime, take('read', 'reader', { session }));
  const writing = take('write', 'writer', { session });
  await runtime.advance(3000);
  assert.deepEqual(order, ['reader']);
  await settle(runtime, reader.release());
  await settle(runtime, (await settle(runtime, writing)).release());
});

test('another number of readers is refused, until it is resized', async () => {
  const { runtime, store, take } = setUp(3);
  const reader = await settle(runtime, take('read', 'r'));
  await assert.rejects(settle(runtime, take('write', 'w', { maxReaders: 4 })), {
    code: 'failed-precondition',
    message: /has 3 readers/,
  });
  const more = { maxReaders: 4, ttlMs: 1000, holder: 'operator', runtime };
  await settle(runtime, resizeReadWriteLock(store, 'c', more));
  await assert.rejects(settle(runtime, take('read', 'old')), { code: 'failed-precondition' });
  const writing = take('write', 'w', { maxReaders: 4 });
  await runtime.advance(1000);
  reader.assertHeld();
  await settle(runtime, reader.release());
  await settle(runtime, writing);
});

test('bad options are refused before any effect, with the name of what is wrong', async () => {
  const { store, take } = setUp();
  await assert.rejects(take('read', 'a', { maxReaders: 0 }), {
    code: 'invalid-argument',
    message: /maxReaders/,
  });
  // @ts-expect-error for callers without types
  await assert.rejects(readWriteLock(store, 'c', {}), { code: 'invalid-argument', message: /mode/ });
  await assert.rejects(take('write', 'a', { waitMs: -1 }), { code: 'invalid-argument', message: /waitMs/ });
});

test('a writer that lost its place at the head of the line has lost the lock: a resizing could let a reader in', async () => {
  const { runtime, store } = setUp();
  let session: StoreSession | undefined;
  const opening = storeWith(store, {
    openSession: async (options) => {
      session = await store.openSession(options);
      return session;
    },
  });
  const options = { mode: 'write', maxReaders: 1, ttlMs: 1000, holder: 'writer', runtime } as const;
  const writer = await settle(runtime, readWriteLock(opening, 'c', options));
  writer.assertHeld();
  // As if somebody deleted it in the store.
  assert.equal(await session?.release(writer.name, writer.token), true);
  await settle(runtime, resizeReadWriteLock(store, 'c', { maxReaders: 2, ttlMs: 1000, runtime }));
  const reader = await settle(
    runtime,
    readWriteLock(store, 'c', { mode: 'read', maxReaders: 2, ttlMs: 1000, holder: 'reader', runtime }),
  );
  reader.assertHeld();
  assert(writer.signal.aborted);
  assert.throws(() => writer.assertHeld(), { code: 'not-leading', message: /it was lost/ });
  await settle(runtime, Promise.all([writer.release(), reader.release()]));
});
