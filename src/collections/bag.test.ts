import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bag, type Bagged } from './bag.ts';

test('a bag holds what a Set would', () => {
  const steps = fc.array(fc.record({ adds: fc.boolean(), which: fc.nat(30) }), { maxLength: 300 });
  fc.assert(
    fc.property(steps, (list) => {
      const items = Array.from({ length: 31 }, (): Bagged => ({ bagPosition: -1 }));
      const bag = new Bag<Bagged>();
      const model = new Set<Bagged>();
      for (const { adds, which } of list) {
        const item = items[which] as Bagged;
        if (adds) {
          bag.add(item);
          model.add(item);
        } else {
          assert.equal(bag.delete(item), model.delete(item));
        }
        assert.equal(bag.size, model.size);
      }
      assert.deepEqual(new Set(bag.all()), model);
    }),
  );
});
