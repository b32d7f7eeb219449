import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Pair, SeenEvent } from './history.ts';
import { CheckerBench, putCommand } from './testing/bench.ts';

const key = 'w/k0';

describe('Watches', () => {
  const eventOf = (pair: Pair): SeenEvent => ({ pair, deleted: false, previous: undefined });
  type Batch = readonly [pairs: readonly Pair[], revision: number];

  /** A watch from the beginning over two puts, told these batches. */
  function watched(batches: (a: Pair, b: Pair) => readonly Batch[], quietMs = 1500): string | undefined {
    const bench = new CheckerBench();
    const wanted = { key: 'w/', end: 'w0', startRevision: 2, prevKv: false };
    const view = bench.history.openWatch('client-1.1', wanted);
    bench.history.watchBatch(view, [], 1);
    const told = batches(bench.put(key, 'a'), bench.put('w/k1', 'b'));
    for (const [pairs, revision] of told) bench.history.watchBatch(view, pairs.map(eventOf), revision);
    bench.life.nowUs += quietMs * 1000;
    return bench.verdict();
  }

  test('that tell everything in order are fine', () => {
    assert.equal(
      watched((a, b) => [
        [[a], a.mod],
        [[b], b.mod],
      ]),
      undefined,
    );
    assert.equal(
      watched((a, b) => [[[a, b], b.mod]]),
      undefined,
    );
  });

  test('that lose, repeat, swap, alter or invent events are seen', () => {
    const wrongs: Parameters<typeof watched>[0][] = [
      (a) => [[[a], a.mod]],
      (_, b) => [[[b], b.mod]],
      (a, b) => [
        [[a], a.mod],
        [[a, b], b.mod],
      ],
      (a, b) => [[[b, a], b.mod]],
      (a, b) => [[[{ ...a, value: 'x' }, b], b.mod]],
      (a, b) => [[[a, b, { ...b, mod: 9 }], 9]],
      (a, b) => [
        [[a], b.mod],
        [[b], b.mod],
      ],
    ];
    for (const wrong of wrongs) assert.equal(watched(wrong), '19-watches');
  });

  test('may lack what was committed just before the end', () => {
    assert.equal(
      watched((a) => [[[a], a.mod]], 500),
      undefined,
    );
  });

  test('that split a revision are seen', () => {
    const bench = new CheckerBench();
    const view = bench.history.openWatch('client-1.1', {
      key: 'w/',
      end: 'w0',
      startRevision: 0,
      prevKv: false,
    });
    bench.history.watchBatch(view, [], 1);
    const success = [putCommand('w/k0', 'a'), putCommand('w/k1', 'b')];
    const mod = bench.commit({ type: 'txn', request: { compare: [], success, failure: [] } });
    const part = { key: 'w/k0', value: 'a', create: mod, mod, version: 1, lease: 0n };
    bench.history.watchBatch(view, [eventOf(part)], mod);
    assert.equal(bench.verdict(), '19-watches');
  });

  test('that end for compaction are seen where nothing was compacted that they want', () => {
    for (const compacted of [false, true]) {
      const bench = new CheckerBench();
      bench.put(key, 'a');
      bench.put(key, 'b');
      if (compacted) bench.commit({ type: 'compact', revision: 3 });
      const view = bench.history.openWatch('client-1.1', {
        key: 'w/',
        end: 'w0',
        startRevision: 2,
        prevKv: false,
      });
      bench.history.endWatch(view, 'compacted', 3);
      assert.equal(bench.verdict(), compacted ? undefined : '19-watches');
    }
  });
});
