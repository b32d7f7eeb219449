import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Queued, WatchQueue } from './watch-queue.ts';

interface Named extends Queued {
  readonly name: number;
}

const step = fc.record({
  does: fc.constantFrom('add' as const, 'add' as const, 'take' as const, 'remove' as const),
  which: fc.nat(9),
});

test('each stands in it once, and who waited longest is taken first', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new WatchQueue<Named>();
      const watches = Array.from({ length: 10 }, (_, name) => ({ name, queued: false }));
      const removed = new Set<Named>();
      let model: Named[] = [];
      for (const { does, which } of steps) {
        const watch = watches[which] as Named;
        if (does === 'add') {
          // One that was taken out is over, and never put in again.
          if (removed.has(watch)) continue;
          if (!model.includes(watch)) model.push(watch);
          queue.add(watch);
        } else if (does === 'remove') {
          removed.add(watch);
          model = model.filter((one) => one !== watch);
          queue.remove(watch);
        } else {
          assert.equal(queue.take(), model.shift());
        }
        assert.equal(queue.size, model.length);
        for (const one of watches) assert.equal(one.queued, model.includes(one));
      }
      for (const one of model) assert.equal(queue.take(), one);
      assert.equal(queue.take(), undefined);
    }),
  );
});

test('one that is never empty goes on in order', () => {
  const queue = new WatchQueue<Named>();
  for (let name = 0; name < 10; name++) queue.add({ name, queued: false });
  for (let name = 10; name < 10_000; name++) {
    queue.add({ name, queued: false });
    assert.equal(queue.take()?.name, name - 10);
  }
  assert.equal(queue.size, 10);
  queue.clear();
  assert.equal(queue.take(), undefined);
});
