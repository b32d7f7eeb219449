import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../../test/partitions/world.ts';
import { boundOf } from './assignment.ts';
import { partitionRouter } from './index.ts';

/** Every partition led by whom it is assigned to, and all that live are members. */
async function checkQuiet(world: World, count = 24): Promise<void> {
  assert.equal(world.leaders().size, count);
  const status = await world.alive[0]?.partitions.status();
  assert.deepEqual(status?.totals, { partitions: count, led: count, moving: 0, draining: 0, unled: 0 });
  const there = (status?.members ?? []).map(({ holder }) => holder).sort();
  assert.deepEqual(there, world.alive.map(({ holder }) => holder).sort());
  for (const { leading } of status?.members ?? []) assert(leading <= boundOf(count, 1, there.length));
}

for (const watchAll of [true, false]) {
  const over = `over a store that does not show who waits, ${watchAll ? 'with one watch of all' : 'with a watch for each'}`;

  test(`processes come, go and crash, also the one that leads the roster; ${over}`, async () => {
    const world = new World(1, { watchAll, showsWaiters: false });
    const [a] = ['a', 'b', 'c'].map((holder) => world.start(holder));
    await world.pass(3000);
    await checkQuiet(world);
    world.start('d');
    await world.pass(3000);
    await checkQuiet(world);
    const { leader } = await world.store.read('work/roster');
    world.processes.find(({ holder }) => holder === leader?.holder)?.crash();
    await world.pass(4000);
    await checkQuiet(world);
    for (const { events, holder } of world.alive) {
      const left = events.flatMap((event) => (event.type === 'partitions-members' ? event.left : []));
      assert.deepEqual(left, [leader?.holder], `${holder} missed nobody else`);
    }
    const leaving = world.alive.find((one) => one !== a) ?? a;
    void leaving?.partitions[Symbol.asyncDispose]();
    await world.pass(3000);
    leaving?.crash();
    await checkQuiet(world);
    await world.end();
    const seats = await Promise.all([0, 1, 2, 3, 4].map((seat) => world.store.read(`work/roster/${seat}`)));
    assert.deepEqual(
      seats.map(({ leader }) => leader),
      seats.map(() => undefined),
    );
  });

  test(`one that was paused past its lease takes a seat again, and a job that drains keeps its partition; ${over}`, async () => {
    const world = new World(2, { watchAll, showsWaiters: false });
    const [a, b] = ['a', 'b'].map((holder) => world.start(holder));
    await world.pass(3000);
    a?.gate.close();
    await world.pass(3500);
    assert.equal(b?.jobs.size, 24);
    if (b) b.drainsInMs = 1500;
    a?.gate.open();
    await world.pass(10_000);
    await checkQuiet(world);
    assert((a?.jobs.size ?? 0) > 0);
    await world.end();
  });
}

test('there are as many seats as are needed, and each process has one', async () => {
  const world = new World(3, { showsWaiters: false });
  for (let process = 0; process < 20; process++) world.start(`p${process}`, { count: 40, ttlMs: 3000 });
  await world.pass(20_000);
  assert.equal((await world.alive[0]?.partitions.status())?.members.length, 20);
  await checkQuiet(world, 40);
  await world.end();
});

test('the layout grows, and a router finds who leads and how much each of the members has', async () => {
  const world = new World(4, { showsWaiters: false });
  world.start('a', { count: 8 });
  await world.pass(2000);
  world.start('b', { count: 16, weight: 2, metadata: 'http://b' });
  await world.pass(4000);
  await using router = partitionRouter(world.shownStore, 'work', { runtime: world.runtime });
  const asking = router.status();
  await world.pass(25);
  const { members, totals } = await asking;
  assert.equal(totals.led, 16);
  assert.deepEqual(
    members.map(({ holder, weight, metadata }) => ({ holder, weight, metadata })),
    [
      { holder: 'a', weight: 1, metadata: '' },
      { holder: 'b', weight: 2, metadata: '' },
    ],
  );
  const routes = await Promise.all(['k1', 'k2', 'k3', 'k4', 'k5'].map((key) => router.route(key)));
  assert(routes.some(({ holder, metadata }) => holder === 'b' && metadata === 'http://b'));
  await world.end();
});
