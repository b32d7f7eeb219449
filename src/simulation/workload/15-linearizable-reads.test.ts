import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CheckerBench, putCommand } from './testing/bench.ts';

const key = 'w/k0';

describe('Reads', () => {
  test('that miss what was committed when they were asked are seen', () => {
    const bench = new CheckerBench();
    const first = bench.put(key, 'a');
    const read = bench.ask({ type: 'range', key, end: '', serializable: false });
    const stale = { type: 'range', pairs: [first], count: 1, more: false, revision: first.mod } as const;
    bench.commit(putCommand(key, 'b'));
    bench.answer(read, stale);
    assert.equal(bench.verdict(), undefined);
    bench.read(key, [first], first.mod);
    assert.equal(bench.verdict(), '15-linearizable-reads');
  });

  test('that ask for no recency may be stale', () => {
    const bench = new CheckerBench();
    const first = bench.put(key, 'a');
    bench.put(key, 'b');
    const read = bench.ask({ type: 'range', key, end: '', serializable: true });
    bench.answer(read, { type: 'range', pairs: [first], count: 1, more: false, revision: first.mod });
    assert.equal(bench.verdict(), undefined);
  });
});
