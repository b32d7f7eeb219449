// What holds while partitions move, and while the store or its watch is in trouble.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../../test/partitions/world.ts';
import { shakyStore } from '../conformance/shaky.ts';
import { sessionWith, storeWith } from '../conformance/wrapping.ts';
import type { ElectionState, LeaseStore } from '../election/index.ts';
import { SeededRandom } from '../runtime/testing.ts';
import { boundOf } from './assignment.ts';
import { partitionRouter } from './index.ts';

test('the next process leads only when onRevoked has settled, too', async () => {
  const world = new World();
  const settle: (() => void)[] = [];
  const onRevoked = () => new Promise<void>((resolve) => settle.push(resolve));
  const a = world.start('a', { onRevoked });
  await world.pass(1000);
  const b = world.start('b');
  await world.pass(3000);
  assert(settle.length > 0);
  assert.deepEqual([a.jobs.size, b.jobs.size], [24 - settle.length, 0], 'the jobs ended, onRevoked did not');
  for (const done of settle) done();
  await world.pass(1000);
  assert.equal(b.jobs.size, settle.length);
  const ending = world.end();
  for (let round = 0; round < 40; round++) {
    await world.runtime.advance(25);
    for (const done of settle) done();
  }
  await ending;
});

test('a membership that never becomes quiet is followed all the same', async () => {
  const world = new World();
  world.start('a', { settleMs: 400 });
  await world.pass(1000);
  const b = world.start('b', { settleMs: 400 });
  for (let round = 0; round < 30; round++) {
    const passing = world.start(`c${round}`, { settleMs: 400 });
    await world.pass(200);
    void passing.partitions[Symbol.asyncDispose]();
    await world.pass(75);
    passing.crash();
  }
  assert(b.jobs.size > 0, 'it joined eight seconds ago');
  await world.end();
});

test('closing waits for one that does not come to wait no longer than a TTL', async () => {
  const world = new World();
  const a = world.start('a');
  await world.pass(1000);
  // A member that never campaigns for anything.
  const session = await world.store.openSession({ ttlMs: 60_000, holder: 'idle' });
  const metadata = JSON.stringify({ format: 1, weight: 1, metadata: '', count: 24 });
  await session.acquire('work/roster', { metadata, priority: 0 });
  await world.pass(3000);
  assert.equal(a.jobs.size, 24);
  assert.equal((await a.partitions.status()).members.length, 2);
  let closed = false;
  void a.partitions[Symbol.asyncDispose]().then(() => {
    closed = true;
  });
  await world.pass(3000);
  assert(closed);
});

test('partitions are handed over though the watch of the one that leads them shows nothing any more', async () => {
  const world = new World();
  let isStuck = false;
  const { store } = world;
  world.shownStore = storeWith(store, {
    watchAll: async function* (prefix, options) {
      for await (const states of store.watchAll?.(prefix, options) ?? []) {
        const shown = [...states].filter(([name]) => !isStuck || name === 'work/roster');
        yield new Map(shown);
      }
    },
  });
  const a = world.start('a');
  await world.pass(1000);
  isStuck = true;
  world.shownStore = store;
  const b = world.start('b');
  await world.pass(4000);
  assert(b.jobs.size > 0);
  assert.equal(a.jobs.size + b.jobs.size, 24);
  await world.end();
});

test('partitions that are held elsewhere keep a process from none of the others', async () => {
  const world = new World();
  const outsider = await world.store.openSession({ ttlMs: 60_000, holder: 'outsider' });
  for (let partition = 0; partition < 40; partition++)
    await outsider.acquire(`work/${partition}`, { metadata: '', priority: 0 });
  const a = world.start('a', { count: 64 });
  await world.pass(3000);
  assert.equal(a.jobs.size, 24);
  await outsider[Symbol.asyncDispose]();
  await world.pass(1000);
  assert.equal(a.jobs.size, 64);
  await world.end();
});

/** How many attempts for partitions, and releases of them, are under way at one time at most. */
function counting(store: LeaseStore, latencyMs: number, world: World) {
  const counts = { now: 0, most: 0 };
  const counted = async <T>(call: () => Promise<T>): Promise<T> => {
    counts.now += 1;
    counts.most = Math.max(counts.most, counts.now);
    await new Promise<void>((resolve) => void world.runtime.timers.after(latencyMs, resolve));
    return call().finally(() => {
      counts.now -= 1;
    });
  };
  const isPartition = (name: string) => /\/\d+$/.test(name);
  const shown = storeWith(store, {
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, {
        acquire: (name, more) =>
          isPartition(name) ? counted(() => session.acquire(name, more)) : session.acquire(name, more),
        release: (name, token, more) => counted(() => session.release(name, token, more)),
      });
    },
  });
  return { counts, store: shown };
}

test('a process asks for sixteen partitions at one time, and gives up as many', async () => {
  const world = new World();
  const { counts, store } = counting(world.store, 20, world);
  world.shownStore = store;
  const a = world.start('a', { count: 200 });
  await world.pass(4000);
  assert.equal(a.jobs.size, 200);
  assert.equal(counts.most, 16);
  counts.most = 0;
  const closing = a.partitions[Symbol.asyncDispose]();
  await world.pass(4000);
  await closing;
  // And its place in the roster.
  assert(counts.most === 16 || counts.most === 17, `${counts.most} releases`);
});

test('a new watch shows what is gone meanwhile, and one of a replica that lags takes nothing back', async () => {
  const world = new World();
  const { store } = world;
  let next: 'live' | 'broken' | 'old' = 'live';
  let old: ReadonlyMap<string, ElectionState> = new Map();
  let fail = () => {};
  const watched = storeWith(store, {
    watchAll: async function* (prefix, options) {
      const broken = new Promise<undefined>((resolve) => {
        fail = () => resolve(undefined);
      });
      if (next === 'broken') return;
      if (next === 'old') {
        yield old;
        await broken;
        return;
      }
      const states = store.watchAll?.(prefix, options)[Symbol.asyncIterator]();
      for (;;) {
        const result = await Promise.race([states?.next(), broken]);
        if (result === undefined || result.done) return;
        // Nothing of what has neither leader nor waiters: as after the store forgot it.
        const rest = [...result.value].filter(([name, { leader }]) => leader || name.endsWith('/roster'));
        yield new Map(rest);
      }
    },
  });
  const a = world.start('a', { count: 4 });
  await world.pass(1000);
  await using router = partitionRouter(watched, 'work', { runtime: world.runtime });
  const first = router.route('k');
  await world.pass(25);
  const { token } = await first;
  old = new Map(
    await Promise.all(
      ['roster', '0', '1', '2', '3'].map(async (one) => {
        return [`work/${one}`, await store.read(`work/${one}`)] as const;
      }),
    ),
  );
  next = 'broken';
  fail();
  const closing = a.partitions[Symbol.asyncDispose]();
  await world.pass(1000);
  await closing;
  next = 'live';
  await world.pass(6000);
  assert.equal((await router.route('k')).holder, undefined, 'it is gone');
  world.start('b', { count: 4 });
  await world.pass(1000);
  const second = await router.route('k');
  assert.equal(second.holder, 'b');
  assert((second.token ?? 0) > (token ?? 0));
  next = 'old';
  fail();
  await world.pass(6000);
  const third = await router.route('k');
  assert.deepEqual([third.holder, third.token], ['b', second.token], 'the old leader is no news');
  next = 'live';
  fail();
  await world.end();
});

for (const showsWaiters of [true, false]) {
  const over = showsWaiters ? '' : ', which does not show who waits';
  test(`a store in trouble for long${over}: at most one leader, tokens rise, and calm brings all partitions back`, async () => {
    for (const seed of [1, 2]) {
      const random = new SeededRandom(seed);
      const world = new World(seed, { showsWaiters });
      let calm = false;
      world.shownStore = shakyStore(world.shownStore, world.runtime, random, () => calm);
      const tokens = new Map<string, number>();
      for (let step = 0; step < 60; step++) {
        const alive = world.alive;
        const fate = random.unit();
        const count = 12 + 4 * Math.floor(step / 20);
        if (alive.length < 2 || (fate < 0.2 && alive.length < 5)) world.start(`p${step}`, { count });
        else if (fate < 0.3) alive[random.below(alive.length)]?.crash();
        await world.pass(100 + random.below(400));
        for (const { jobs } of world.processes) {
          for (const { partition, leadership } of jobs) {
            if (leadership.signal.aborted || leadership.remainingMs() <= 0) continue;
            assert(leadership.token >= (tokens.get(partition) ?? 0), 'a token fell');
            tokens.set(partition, leadership.token);
          }
        }
      }
      calm = true;
      await world.pass(15_000);
      const status = await world.alive[0]?.partitions.status();
      assert.equal(status?.members.length, world.alive.length);
      assert.equal(status?.totals.led, status?.totals.partitions);
      for (const { leading } of status?.members ?? [])
        assert(leading <= boundOf(status?.totals.partitions ?? 0, 1, world.alive.length));
      await world.end();
    }
  });
}
