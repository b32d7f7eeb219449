import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sessionWith, storeWith } from '../conformance/wrapping.ts';
import { ConclaveError } from '../errors/index.ts';
import { type ManualRuntime, manualRuntime, settle } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import {
  Candidate,
  lock,
  type Permit,
  resizeSemaphore,
  type SemaphoreOptions,
  Session,
  semaphore,
} from './index.ts';
import type { ElectionState, LeaseStore, StoreSession } from './store.ts';

function setUp(permits = 2) {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  const take = (holder: string, more: Partial<SemaphoreOptions> = {}) =>
    semaphore(store, 's', { permits, ttlMs: 1000, holder, runtime, ...more });
  return { runtime, store, take };
}

/** All elections of which anything but a record is left. */
async function leftBehind(runtime: ManualRuntime, store: LeaseStore): Promise<string[]> {
  const stop = new AbortController();
  const found: string[] = [];
  for await (const states of store.watchAll?.('', { signal: stop.signal }) ?? []) {
    const isBusy = ({ leader, waiting }: ElectionState) => leader !== undefined || waiting.length > 0;
    for (const [name, state] of states) if (isBusy(state)) found.push(name);
    break;
  }
  stop.abort();
  await runtime.advance(0);
  return found;
}

test('as many hold a permit as there are, each of another index; the next waits for one to leave', async () => {
  const { runtime, store, take } = setUp(3);
  const held = await settle(runtime, Promise.all(['a', 'b', 'c'].map((holder) => take(holder))));
  assert.deepEqual(held.map(({ index }) => index).sort(), [0, 1, 2]);
  let isHeld = false;
  const waiting = take('d').then((permit) => {
    isHeld = true;
    return permit;
  });
  await runtime.advance(20_000);
  assert.equal(isHeld, false);
  for (const permit of held) permit.assertHeld();
  await settle(runtime, held[1]?.release() ?? Promise.reject());
  const fourth = await settle(runtime, waiting);
  assert.equal(fourth.index, held[1]?.index);
  assert(held.every(({ token }) => token < fourth.token));
  assert.throws(() => held[1]?.assertHeld(), {
    code: 'not-leading',
    message: /permit . of semaphore "s".*released/,
  });
  assert.equal(held[1]?.signal.aborted, true);
  assert.equal(held[1]?.remainingMs(), 0);
  await settle(runtime, Promise.all([...held, fourth].map((permit) => permit.release())));
  assert.deepEqual(await leftBehind(runtime, store), []);
});

test('permits are given in the order of arrival, with rising tokens', async () => {
  const { runtime, take } = setUp(2);
  const order: string[] = [];
  const tokens: number[] = [];
  const all: Promise<void>[] = [];
  for (const holder of 'abcdefgh') {
    all.push(
      take(holder).then(async (permit) => {
        order.push(holder);
        tokens.push(permit.token);
        await new Promise<void>((resolve) => void runtime.timers.after(500, resolve));
        await permit.release();
      }),
    );
    await runtime.advance(50);
  }
  await settle(runtime, Promise.all(all));
  assert.equal(order.join(''), 'abcdefgh');
  assert.deepEqual(
    tokens,
    [...tokens].sort((left, right) => left - right),
  );
});

test('one of higher priority goes before those who wait', async () => {
  const { runtime, take } = setUp(1);
  const first = await settle(runtime, take('first'));
  const order: string[] = [];
  const others = [
    ['low', 0],
    ['high', 5],
  ] as const;
  const all = others.map(async ([holder, priority]) => {
    const permit = await take(holder, { priority });
    order.push(holder);
    await permit.release();
  });
  await runtime.advance(100);
  const last = take('last').then((permit) => permit.release());
  await runtime.advance(100);
  await settle(runtime, first.release());
  await settle(runtime, Promise.all([...all, last]));
  // 'low' had come to the front of the line before 'high' came.
  assert.deepEqual(order, ['low', 'high']);
});

test('the permit of a holder that dies is free after its TTL, and it learns of that before', async () => {
  const { runtime, store, take } = setUp(1);
  const dying = await settle(runtime, take('dying'));
  const next = take('next');
  await runtime.advance(100);
  const stalled = runtime.clock.stall(1500);
  assert.throws(() => dying.assertHeld(), { code: 'not-leading', message: /lost/ });
  await stalled;
  const permit = await settle(runtime, next);
  assert(dying.signal.aborted);
  assert(permit.token > dying.token);
  await settle(runtime, Promise.all([permit.release(), dying.release()]));
  assert.deepEqual(await leftBehind(runtime, store), []);
});

for (const shared of [false, true]) {
  test(`who gives up leaves nothing behind, in line or at its head (${shared ? 'shared' : 'own'} session)`, async () => {
    const { runtime, store, take } = setUp(2);
    const held = await settle(runtime, Promise.all([take('a'), take('b')]));
    const sessions = ['head', 'behind'].map((holder) => new Session(store, { ttlMs: 1000, holder, runtime }));
    const stops = [new AbortController(), new AbortController()];
    const waits = sessions.map((session, at) => {
      const stop = stops[at];
      assert(stop);
      const options = shared ? { session, signal: stop.signal } : { signal: stop.signal };
      return take(session.holder, options);
    });
    await runtime.advance(1000);
    for (const [at, stop] of stops.entries()) {
      stop.abort(new Error('enough'));
      await assert.rejects(settle(runtime, waits[at] as Promise<Permit>), { code: 'aborted' });
    }
    await runtime.advance(1000);
    assert.equal((await leftBehind(runtime, store)).length, 2);
    await settle(runtime, Promise.all(held.map((permit) => permit.release())));
    assert.deepEqual(await leftBehind(runtime, store), []);
    for (const session of sessions) await settle(runtime, session[Symbol.asyncDispose]());
  });
}

test('who waits too long is told so, and is out of the line', async () => {
  const { runtime, store, take } = setUp(1);
  const held = await settle(runtime, take('a'));
  await assert.rejects(settle(runtime, take('b', { waitMs: 3000 })), {
    code: 'timeout',
    outcome: 'not-applied',
  });
  await runtime.advance(100);
  await settle(runtime, held.release());
  assert.deepEqual(await leftBehind(runtime, store), []);
  await settle(runtime, (await settle(runtime, take('c', { waitMs: 3000 }))).release());
});

test('a lock may be waited for no longer than so', async () => {
  const { runtime, store } = setUp();
  const options = (holder: string) => ({ ttlMs: 1000, holder, runtime, waitMs: 2000 });
  const held = await settle(runtime, lock(store, 'l', options('a')));
  await runtime.advance(5000);
  held.assertHeld();
  await assert.rejects(settle(runtime, lock(store, 'l', options('b'))), { code: 'timeout' });
  await settle(runtime, held.release());
});

test('one session may hold several permits, each of another index, and waits for its own', async () => {
  const { runtime, store, take } = setUp(2);
  const session = new Session(store, { ttlMs: 1000, holder: 'one', runtime });
  const [first, second] = await settle(runtime, Promise.all([take('', { session }), take('', { session })]));
  assert(first && second);
  assert.notEqual(first.index, second.index);
  let isHeld = false;
  const waiting = take('', { session }).then((permit) => {
    isHeld = true;
    return permit;
  });
  await runtime.advance(5000);
  assert.equal(isHeld, false);
  await settle(runtime, second.release());
  const third = await settle(runtime, waiting);
  assert.equal(third.index, second.index);
  first.assertHeld();
  await settle(runtime, session[Symbol.asyncDispose]());
  assert.throws(() => first.assertHeld(), { code: 'not-leading' });
});

test('two candidates for one name with one session are refused, since the store takes them for one', async () => {
  const { runtime, store } = setUp();
  await using session = new Session(store, { ttlMs: 1000, holder: 'one', runtime });
  await using one = new Candidate(store, 'n', { session });
  await using two = new Candidate(store, 'n', { session });
  const leadership = await settle(runtime, one.campaign());
  await assert.rejects(settle(runtime, two.campaign()), {
    code: 'failed-precondition',
    message: /same session/,
  });
  leadership.assertHeld();
  await settle(runtime, leadership.resign());
  assert((await settle(runtime, two.campaign())).token > leadership.token);
});

test('another number of permits is refused, until it is resized; those that go away are waited for', async () => {
  const { runtime, store, take } = setUp(3);
  const held = await settle(runtime, Promise.all(['a', 'b', 'c'].map((holder) => take(holder))));
  await assert.rejects(settle(runtime, take('d', { permits: 2 })), {
    code: 'failed-precondition',
    message: /has 3 permits.*with 2/,
  });
  const byIndex = (index: number) => held.find((permit) => permit.index === index);
  let resized = false;
  const resizing = resizeSemaphore(store, 's', { permits: 1, ttlMs: 1000, holder: 'operator', runtime }).then(
    () => {
      resized = true;
    },
  );
  await settle(runtime, byIndex(1)?.release() ?? Promise.reject());
  await runtime.advance(5000);
  assert.equal(resized, false);
  await settle(runtime, byIndex(2)?.release() ?? Promise.reject());
  await settle(runtime, resizing);
  byIndex(0)?.assertHeld();
  await assert.rejects(settle(runtime, take('e')), { code: 'failed-precondition', message: /has 1 permits/ });
  await settle(runtime, byIndex(0)?.release() ?? Promise.reject());
  const only = await settle(runtime, take('f', { permits: 1 }));
  assert.equal(only.index, 0);
  await settle(
    runtime,
    resizeSemaphore(store, 's', { permits: 2, ttlMs: 1000, holder: 'operator', runtime }),
  );
  await settle(runtime, take('g', { permits: 2 }));
});

test('a permit that is given back closes its session, and a given one not', async () => {
  const { runtime, store } = setUp();
  const open = new Set<string>();
  const counting = storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      open.add(session.id);
      return sessionWith(session, {
        [Symbol.asyncDispose]: async () => {
          open.delete(session.id);
          await session[Symbol.asyncDispose]();
        },
      });
    },
  });
  const options = { permits: 2, ttlMs: 1000, runtime };
  const permit = await settle(runtime, semaphore(counting, 's', options));
  assert.equal(open.size, 1);
  await settle(runtime, permit.release());
  assert.equal(open.size, 0);
  await using session = new Session(counting, { ttlMs: 1000, runtime });
  await settle(runtime, (await settle(runtime, semaphore(counting, 's', { ...options, session }))).release());
  assert.equal(open.size, 1);
});

/** What `change` says of each session's `writeRecord`. */
function writingAs(store: LeaseStore, change: (session: StoreSession) => StoreSession['writeRecord']) {
  return storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, { writeRecord: change(session) });
    },
  });
}

test('who gives up while the number of permits is written is not kept waiting by that', async () => {
  const { runtime, store } = setUp();
  const hanging = writingAs(store, () => () => new Promise(() => {}));
  const options = { permits: 2, ttlMs: 30_000, runtime };
  const startMs = runtime.clock.monotonicMs();
  await assert.rejects(settle(runtime, semaphore(hanging, 's', { ...options, waitMs: 1000 })), {
    code: 'timeout',
    outcome: 'not-applied',
  });
  await assert.rejects(settle(runtime, resizeSemaphore(hanging, 's', { ...options, waitMs: 1000 })), {
    code: 'timeout',
    outcome: 'unknown',
  });
  assert(runtime.clock.monotonicMs() <= startMs + 10_000);
  assert.deepEqual(await leftBehind(runtime, store), []);
});

test('a resizing that the store refuses leaves nothing behind on a session that goes on', async () => {
  const { runtime, store, take } = setUp(3);
  await settle(runtime, (await settle(runtime, take('a'))).release());
  const refusing = writingAs(store, () => async () => {
    throw new ConclaveError('failed-precondition', 'permission denied');
  });
  const session = new Session(refusing, { ttlMs: 1000, holder: 'operator', runtime });
  await assert.rejects(settle(runtime, resizeSemaphore(refusing, 's', { permits: 1, session })), {
    code: 'failed-precondition',
  });
  assert.deepEqual(await leftBehind(runtime, store), []);
  await settle(runtime, session[Symbol.asyncDispose]());
});

test('a grace holds back only the permit that was lost uncleanly', async () => {
  const { runtime, store, take } = setUp(2);
  const [dying, other] = await settle(
    runtime,
    Promise.all([take('dying', { graceMs: 5000 }), take('other', { graceMs: 5000 })]),
  );
  await runtime.advance(10);
  const stalled = runtime.clock.stall(1200);
  await store.read('any');
  await stalled;
  assert(dying?.signal.aborted && other?.signal.aborted);
  const fromMs = runtime.clock.monotonicMs();
  const next = await settle(runtime, take('next', { graceMs: 5000 }));
  assert(runtime.clock.monotonicMs() >= fromMs + 4000);
  await settle(runtime, next.release());
  const releasedMs = runtime.clock.monotonicMs();
  await settle(runtime, take('last', { graceMs: 5000 }));
  assert(runtime.clock.monotonicMs() < releasedMs + 1000);
  await assert.rejects(settle(runtime, take('wrong', { graceMs: 5000, permits: 3 })), {
    code: 'failed-precondition',
  });
});

test('bad options are refused before any effect, with the name of what is wrong', async () => {
  const { runtime, store, take } = setUp();
  for (const permits of [0, -1, 1.5, 257, Number.NaN]) {
    await assert.rejects(take('a', { permits }), { code: 'invalid-argument', message: /permits/ });
  }
  // @ts-expect-error for callers without types
  await assert.rejects(semaphore(store, 's'), { code: 'invalid-argument', message: /permits/ });
  for (const waitMs of [0, -1, 86_400_001])
    await assert.rejects(take('a', { waitMs }), { code: 'invalid-argument' });
  await assert.rejects(semaphore(store, '', { permits: 1, runtime }), { code: 'invalid-argument' });
  await assert.rejects(semaphore(store, 'x'.repeat(961), { permits: 1, runtime }), {
    code: 'invalid-argument',
  });
  assert.throws(() => new Candidate(store, '~semaphore/s/slot-0', { runtime }), { code: 'invalid-argument' });
  assert.deepEqual(await leftBehind(runtime, store), []);
});

test('a semaphore that was closed by its signal before it began says so', async () => {
  const { runtime, take } = setUp();
  const error = await settle(
    runtime,
    take('a', { signal: AbortSignal.abort() }).catch((thrown: unknown) => thrown),
  );
  assert(ConclaveError.is(error, 'aborted'));
});
