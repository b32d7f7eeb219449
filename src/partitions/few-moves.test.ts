// What moves between live processes when others come and go: what must, also where there are few partitions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../../test/partitions/world.ts';
import { sessionWith, storeWith } from '../conformance/wrapping.ts';
import type { ElectionState } from '../election/index.ts';
import { boundOf } from './assignment.ts';

function moved(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...after].filter(([partition, holder]) => before.get(partition) !== holder).map(([one]) => one);
}

const led = (world: World, holder: string) =>
  [...world.leaders()].filter(([, by]) => by === holder).map(([partition]) => partition);

for (const showsWaiters of [true, false]) {
  const over = showsWaiters ? '' : ', over a store that does not show who waits';
  test(`a join moves the joiner's share, rounded up, and a leave what the leaver led, however few there are${over}`, async () => {
    const world = new World(1, { showsWaiters });
    const count = 7;
    const options = { count };
    world.start('p0', options);
    world.start('p1', options);
    await world.pass(3000);
    for (let step = 2; step < 12; step++) {
      const before = world.leaders();
      assert.equal(before.size, count);
      const alive = world.alive.length;
      if (step % 3 === 1) {
        const [leaving] = world.alive;
        const led = [...before].filter(([, holder]) => holder === leaving?.holder).map(([one]) => one);
        leaving?.crash();
        await world.pass(4000);
        assert.deepEqual(moved(before, world.leaders()).sort(), led.sort());
      } else {
        world.start(`p${step}`, { ...options, weight: step === 5 ? 3 : 1 });
        await world.pass(4000);
        const total = alive + 1 + (step >= 5 && world.alive.some(({ holder }) => holder === 'p5') ? 2 : 0);
        const bound = boundOf(count, step === 5 ? 3 : 1, total);
        const now = world.leaders();
        const went = moved(before, now);
        assert(went.length <= bound, `${went.length} moved, the bound is ${bound}`);
        assert(
          went.every((partition) => now.get(partition) === `p${step}`),
          'to the joiner alone',
        );
      }
    }
    await world.end();
  });
}

test('a process that restarts under its name gets back what it led, also if it led the roster', async () => {
  for (const victim of ['a', 'c']) {
    const world = new World();
    for (const holder of ['a', 'b', 'c', 'd', 'e']) {
      world.start(holder, { count: 25 });
      await world.pass(1000);
    }
    const before = world.leaders();
    const had = led(world, victim);
    assert(had.length > 0);
    world.processes.find(({ holder }) => holder === victim)?.crash();
    await world.pass(3000);
    assert.equal(led(world, victim).length, 0);
    world.start(victim, { count: 25 });
    await world.pass(3000);
    assert.deepEqual(world.leaders(), before);
    await world.end();
  }
});

test('where the record is deleted, everybody goes on, and it is written again as it was', async () => {
  const world = new World();
  const { store } = world;
  let lost: string | undefined;
  const text = (state: ElectionState) => state.record && new TextDecoder().decode(state.record);
  const shown = (state: ElectionState) =>
    state.record !== undefined && text(state) === lost ? { ...state, record: undefined } : state;
  world.shownStore = storeWith(store, {
    read: async (name, options) => shown(await store.read(name, options)),
    watchAll: async function* (prefix, options) {
      for await (const states of store.watchAll?.(prefix, options) ?? [])
        yield new Map([...states].map(([name, state]) => [name, shown(state)]));
    },
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, {
        writeRecord: (name, token, record, more) => {
          lost = undefined;
          return session.writeRecord(name, token, record, more);
        },
      });
    },
  });
  for (const holder of ['a', 'b', 'c']) {
    world.start(holder);
    await world.pass(1000);
  }
  const before = world.leaders();
  lost = text(await store.read('work/roster'));
  const joining = world.start('d');
  await world.pass(100);
  assert.deepEqual(world.leaders(), before);
  await world.pass(3000);
  assert.equal(moved(before, world.leaders()).length, 24 / 4);
  assert.equal(joining.jobs.size, 24 / 4);
  await world.end();
});

test('where an earlier version wrote the record, its layout stays, and everything is given out anew', async () => {
  const world = new World();
  const outsider = await world.store.openSession({ ttlMs: 1000, holder: 'earlier' });
  const outcome = await outsider.acquire('work/roster', { metadata: '', priority: 0 });
  assert(outcome.status === 'acquired');
  const { token } = outcome;
  const partitions = { format: 1, assignment: 1, count: 40 };
  const record = { format: 1, token, graceMs: 0, clean: true, partitions };
  await outsider.writeRecord('work/roster', token, new TextEncoder().encode(JSON.stringify(record)));
  await outsider[Symbol.asyncDispose]();
  world.start('a');
  world.start('b');
  await world.pass(3000);
  assert.equal(world.leaders().size, 40);
  assert.equal(led(world, 'a').length, 20);
  await world.end();
});

test('who joins waits for the one that leads the roster, and has to wait no longer when that one is gone', async () => {
  const world = new World();
  const a = world.start('a', { ttlMs: 1000 });
  await world.pass(1000);
  world.start('b');
  await world.pass(1000);
  a.gate.close();
  const c = world.start('c');
  await world.pass(3000);
  assert.equal(c.jobs.size, 12);
  a.gate.open();
  await world.pass(3000);
  assert.deepEqual(
    [...world.alive].map(({ jobs }) => jobs.size),
    [8, 8, 8],
  );
  await world.end();
});
