import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Answer, firstLease } from './history.ts';
import { CheckerBench, putCommand } from './testing/bench.ts';

const key = 'w/k0';

describe('Who asks for a lease', () => {
  const lease = firstLease + 1n;
  const told = (remainingMs: number | undefined, keys: readonly string[] = []): Answer => ({
    ...{ type: 'timeToLive', remainingMs, grantedTtlMs: remainingMs === undefined ? 0 : 3000 },
    ...{ keys, revision: 0 },
  });

  /** A lease of 3 s with one key, granted at 10 ms. */
  function granted(): CheckerBench {
    const bench = new CheckerBench();
    bench.ask({ type: 'grant', lease, ttlMs: 3000 });
    bench.commit({ type: 'leaseGrant', lease, ttlMs: 3000 });
    bench.commit(putCommand(key, 'a', lease));
    return bench;
  }

  test('is told what the log says', () => {
    const bench = granted();
    bench.answer(bench.ask({ type: 'timeToLive', lease }), told(2000, [key]));
    const early = bench.ask({ type: 'timeToLive', lease });
    bench.commit({ type: 'leaseRevoke', lease });
    bench.answer(early, told(2000, []));
    bench.answer(bench.ask({ type: 'timeToLive', lease }), told(undefined));
    assert.equal(bench.verdict(), undefined);
  });

  test('is seen to be told of none that is there, of one that is over, of too much time, and of wrong keys', () => {
    for (const wrong of [told(undefined), told(3000, [key]), told(2000, []), told(2000, [key, 'w/k9'])]) {
      const bench = granted();
      bench.answer(bench.ask({ type: 'timeToLive', lease }), wrong);
      assert.equal(bench.verdict(), 'lease-lookups');
    }
    const bench = granted();
    bench.commit({ type: 'leaseRevoke', lease });
    bench.answer(bench.ask({ type: 'timeToLive', lease }), told(0, []));
    assert.equal(bench.verdict(), 'lease-lookups');
  });
});
