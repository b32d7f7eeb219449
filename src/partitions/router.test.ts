import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../../test/partitions/world.ts';
import { storeWith } from '../conformance/wrapping.ts';
import { ConclaveError } from '../errors/index.ts';
import { partitionRouter } from './index.ts';

for (const watchAll of [true, false]) {
  const over = watchAll ? 'one watch of all' : 'a watch for each';

  test(`a process that only routes learns who leads, and of each change without asking; over ${over}`, async () => {
    const world = new World(1, { watchAll });
    const a = world.start('a', { metadata: 'http://a' });
    const b = world.start('b', { metadata: 'http://b' });
    await world.pass(2000);
    await using router = partitionRouter(world.shownStore, 'work', { runtime: world.runtime });
    const asking = router.route('customer-42');
    await world.pass(25);
    const route = await asking;
    const { partition, holder } = route;
    assert.equal(partition, await router.partitionOf('customer-42'));
    assert.equal(world.leaders().get(partition), holder);
    const leader = holder === 'a' ? a : b;
    const token = leader.partitions.leaderships.get(partition)?.token;
    const { asOfMs, ...rest } = route;
    const expected = { partition, holder, token, metadata: `http://${holder}`, cached: true, watching: true };
    assert.deepEqual(rest, expected);
    assert(asOfMs > 0 && asOfMs <= world.runtime.clock.wallMs());
    assert.deepEqual(await router.route('customer-42', { fresh: true }), {
      ...expected,
      cached: false,
      asOfMs: world.runtime.clock.wallMs(),
    });
    leader.crash();
    await world.pass(2000);
    const next = await router.route('customer-42');
    assert.equal(next.holder, holder === 'a' ? 'b' : 'a');
    assert((next.token ?? 0) > (token ?? 0));
    // Any of the processes that take partitions routes as well.
    const other = holder === 'a' ? b : a;
    assert.deepEqual({ ...(await other.partitions.router('customer-42')), asOfMs }, { ...next, asOfMs });
    await world.end();
  });

  test(`a router shows who leads nothing, what moves and all counts to a dashboard; over ${over}`, async () => {
    const world = new World(1, { watchAll });
    const a = world.start('a', { count: 12 });
    await world.pass(2000);
    await using router = partitionRouter(world.shownStore, 'work', { runtime: world.runtime });
    const status = async () => {
      const asking = router.status();
      await world.pass(25);
      return asking;
    };
    const before = await status();
    assert.deepEqual(before.layout, { count: 12 });
    assert.equal(before.current, true);
    assert.deepEqual(before.totals, { partitions: 12, led: 12, moving: 0, draining: 0, unled: 0 });
    assert.deepEqual(before.members, [{ holder: 'a', weight: 1, metadata: '', assigned: 12, leading: 12 }]);
    a.drainsInMs = 3000;
    world.start('b', { count: 12 });
    await world.pass(1500);
    const during = await status();
    const assigned = during.members.find(({ holder }) => holder === 'b')?.assigned ?? 0;
    assert(assigned > 0);
    assert.equal(during.totals.moving, assigned);
    assert(during.partitions.every(({ leader }) => leader?.holder === 'a'));
    const sinceMs = during.partitions[0]?.sinceMs ?? 0;
    assert(sinceMs > 0 && sinceMs <= world.runtime.clock.wallMs() - 1000);
    await world.end();
    const after = await status();
    assert.deepEqual(after.members, []);
    assert.equal(after.totals.unled, 12);
  });
}

test('a route to partitions that nobody leads says so; one to partitions unknown waits, and can be given up', async () => {
  const world = new World();
  await using router = partitionRouter(world.store, 'work', { runtime: world.runtime });
  const stop = new AbortController();
  const waiting = router.route('k', { signal: stop.signal });
  await world.pass(1000);
  stop.abort();
  await assert.rejects(waiting, { code: 'aborted' });
  const later = router.route('k');
  world.start('a', { onAssigned: () => {} });
  await world.pass(1000);
  assert.equal((await later).partition, (await router.route('k')).partition);
  await world.end();
  const { holder, token, metadata } = await router.route('k');
  assert.deepEqual([holder, token, metadata], [undefined, undefined, undefined]);
  await assert.rejects(router.route(7 as never), { code: 'invalid-argument' });
});

test('while the watch is down a route says so; it comes back by itself and catches up', async () => {
  const world = new World();
  let fail = (_error: unknown) => {};
  let isDown = false;
  const store = storeWith(world.store, {
    watchAll: async function* (prefix, options) {
      const down = () => new ConclaveError('unavailable', 'The store is away.', { retryable: true });
      if (isDown) throw down();
      const broken = new Promise<never>((_, reject) => {
        fail = reject;
      });
      broken.catch(() => {});
      const states = world.store.watchAll?.(prefix, options)[Symbol.asyncIterator]();
      for (;;) {
        const next = await Promise.race([states?.next(), broken]);
        if (next === undefined || next.done) return;
        yield next.value;
      }
    },
  });
  const a = world.start('a');
  await world.pass(1000);
  const troubles: unknown[] = [];
  await using router = partitionRouter(store, 'work', {
    runtime: world.runtime,
    onEvent: (event) => event.type === 'trouble' && troubles.push(event),
  });
  const first = router.route('k');
  await world.pass(25);
  assert.equal((await first).watching, true);
  isDown = true;
  fail(new ConclaveError('unavailable', 'The connection broke.', { retryable: true }));
  a.crash();
  world.start('b');
  await world.pass(3000);
  const blind = await router.route('k');
  assert.deepEqual([blind.holder, blind.watching, blind.cached], ['a', false, true]);
  assert(troubles.length > 1);
  isDown = false;
  await world.pass(10_000);
  const seeing = await router.route('k');
  assert.deepEqual([seeing.holder, seeing.watching], ['b', true]);
  await world.end();
});

test('a route where nobody has ever taken part fails in words, and comes when somebody does in time', async () => {
  const world = new World(1);
  await using router = partitionRouter(world.shownStore, 'work', { runtime: world.runtime });
  const late = router.route('customer-42', { waitMs: 500 }).catch((error: unknown) => error);
  await world.pass(600);
  const error = await late;
  assert(ConclaveError.is(error, 'not-found') && error.retryable);
  assert.match(
    error.message,
    /No process has ever taken part in the partitions "work" \(waited for 500 ms\)/,
  );
  await assert.rejects(router.route('customer-42', { waitMs: -1 }), { code: 'invalid-argument' });
  const soon = router.route('customer-42');
  world.start('a');
  await world.pass(3000);
  assert.equal((await soon).cached, true);
  await world.end();
});

test('a route says that the store tells nothing', async () => {
  const world = new World(1);
  const silent = storeWith(world.shownStore, {
    read: () => new Promise(() => {}),
    watch: async function* (_name: string, { signal }: { signal: AbortSignal }) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
    watchAll: async function* (_prefix: string, { signal }: { signal: AbortSignal }) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
  });
  await using router = partitionRouter(silent, 'work', { runtime: world.runtime });
  const late = router.route('customer-42').catch((error: unknown) => error);
  await world.pass(11_000);
  assert(ConclaveError.is(await late, 'unavailable'));
  await world.end();
});
