import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IdTree } from './id-tree.ts';

/** Halves that share many of their lower bits, so that the tree gets deep. */
const half = fc.constantFrom(0, 1, 2, 3, -1, 1 << 16, 3 << 16, 1 << 31, 1 << 30, 0x7fffffff);
const step = fc.tuple(fc.boolean(), half, half);

test('what is in a tree is found by its id as in a Map, through additions and removals', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const tree = new IdTree<string>();
      const model = new Map<string, [number, number]>();
      for (const [adds, first, second] of steps) {
        const name = `${first} ${second}`;
        if (adds === model.has(name)) continue;
        if (adds) {
          tree.add(first, second, name);
          model.set(name, [first, second]);
        } else {
          tree.remove(first, second);
          model.delete(name);
          assert.equal(tree.find(first, second), undefined);
        }
        assert.equal(tree.size, model.size);
        for (const [there, [low, high]] of model) assert.equal(tree.find(low, high), there);
      }
    }),
  );
});
