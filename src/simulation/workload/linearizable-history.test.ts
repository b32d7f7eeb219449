import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { firstLease } from './history.ts';
import { CheckerBench, nameOf, putCall } from './testing/bench.ts';

const key = 'w/k0';

describe('The order of each key', () => {
  /** Only the last checker, which knows nothing of the log. */
  function verdictWithoutLog(bench: CheckerBench): string | undefined {
    try {
      bench.checkers.at(-1)?.ended?.();
      return undefined;
    } catch (error) {
      return nameOf(error);
    }
  }

  test('is found without the log', () => {
    const bench = new CheckerBench();
    const a = bench.put(key, 'a');
    bench.read(key, [a], a.mod);
    const b = bench.put(key, 'b');
    bench.read(key, [b], b.mod);
    assert.equal(verdictWithoutLog(bench), undefined);
    bench.read(key, [a], a.mod);
    assert.equal(verdictWithoutLog(bench), 'linearizability');
  });

  test('is missed by two creations of one key', () => {
    const bench = new CheckerBench();
    for (const value of ['a', 'b']) {
      const put = { type: 'put', key, value, lease: 0n, prevKv: false } as const;
      const guards = [{ key, expects: undefined, mod: 0 }];
      const asked = bench.ask({ type: 'txn', guards, success: [put], failure: [] });
      const responses = [{ type: 'put', previous: undefined }] as const;
      bench.answer(asked, { type: 'txn', succeeded: true, responses, revision: 2 });
    }
    assert.equal(verdictWithoutLog(bench), 'linearizability');
  });

  test('allows for a lease that ends, and for a write without an answer', () => {
    const bench = new CheckerBench();
    const asked = bench.ask({ type: 'put', key, value: 'a', lease: firstLease, prevKv: false });
    bench.answer(asked, { type: 'put', previous: undefined, revision: 2 });
    bench.read(key, [], 3);
    bench.history.failed(bench.ask(putCall(key, 'b')), 'unknown', 'timeout');
    bench.read(key, [], 3);
    bench.read(key, [{ key, value: 'b', create: 4, mod: 4, version: 1, lease: 0n }], 4);
    assert.equal(verdictWithoutLog(bench), undefined);
    bench.read(key, [], 4);
    assert.equal(verdictWithoutLog(bench), 'linearizability');
  });
});
