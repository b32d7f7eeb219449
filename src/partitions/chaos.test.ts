import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { World } from '../../test/partitions/world.ts';
import { SeededRandom } from '../runtime/testing.ts';
import { boundOf } from './assignment.ts';

const count = 20;

/** What may happen to processes at random; each returns without waiting. */
function disturb(world: World, random: SeededRandom): void {
  const alive = world.alive;
  const victim = alive[random.below(Math.max(1, alive.length))];
  const fate = random.unit();
  if (alive.length < 2 || (fate < 0.25 && alive.length < 6)) {
    const joining = world.start(`p${world.processes.length}`, {
      count,
      settleMs: random.below(2) * 200,
      drainMs: 300,
      weight: 1,
    });
    joining.drainsInMs = random.below(2) * random.below(1500);
  } else if (victim === undefined) {
    return;
  } else if (fate < 0.4) {
    victim.crash();
  } else if (fate < 0.6) {
    victim.gate.close();
    world.runtime.timers.after(random.below(3000), () => {
      if (!victim.crashed) victim.gate.open();
    });
  } else if (fate < 0.75) {
    void victim.partitions[Symbol.asyncDispose]().then(() => victim.crash());
  } else if (fate < 0.85) {
    const [leadership] = victim.partitions.leaderships.values();
    void leadership?.resign();
  } else {
    victim.drainsInMs = random.below(2) * random.below(2500);
  }
}

const stores = [
  { watchAll: true, over: 'one watch of all' },
  { watchAll: false, over: 'a watch for each' },
  { watchAll: true, showsWaiters: false, over: 'a store that does not show who waits' },
];
for (const { over, ...shown } of stores) {
  test(`joins, leaves, crashes, pauses and slow drains, over ${over}: never two leaders, and quiet brings balance`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
        const random = new SeededRandom(seed);
        const world = new World(seed, shown);
        const tokens = new Map<string, number>();
        for (let step = 0; step < 60; step++) {
          if (random.unit() < 0.5) disturb(world, random);
          await world.pass(25 + random.below(300));
          for (const { jobs } of world.processes)
            for (const { partition, leadership } of jobs)
              tokens.set(partition, Math.max(leadership.token, tokens.get(partition) ?? 0));
        }
        for (const process of world.alive) process.gate.open();
        await world.pass(5000);
        // Those that were closing are gone by now.
        if (world.alive.length === 0) world.start('last', { count });
        await world.pass(5000);
        const alive = world.alive.length;
        assert.equal(world.leaders().size, count, 'every partition is led in the end');
        const [first] = world.alive;
        const { totals, members } = (await first?.partitions.status()) ?? {};
        assert.deepEqual(totals, { partitions: count, led: count, moving: 0, draining: 0, unled: 0 });
        assert.equal(members?.length, alive);
        for (const { leading, assigned } of members ?? []) {
          assert.equal(leading, assigned);
          assert(leading <= boundOf(count, 1, alive));
        }
        for (const { partitions } of world.alive)
          for (const [partition, { token }] of partitions.leaderships)
            assert(token >= (tokens.get(partition) ?? 0), 'tokens rise');
        await world.end();
      }),
      { numRuns: 8 },
    );
  });
}
