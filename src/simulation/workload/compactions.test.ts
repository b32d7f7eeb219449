import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckerBench, nameOf, putCommand } from './testing/bench.ts';

const found = (error: unknown): boolean => nameOf(error) === 'compactions';

/** Ten writes, at revisions 2 to 11, one each 10 ms. */
function written(autoCompaction: ConstructorParameters<typeof CheckerBench>[0]): CheckerBench {
  const bench = new CheckerBench(autoCompaction);
  for (let at = 0; at < 10; at++) bench.commit(putCommand('w/k0', String(at)));
  return bench;
}

test('a leader may compact all but the revisions that it keeps, and is found to compact one more', () => {
  const autoCompaction = { mode: 'revision', retention: 4, everyMs: 1000 } as const;
  const bench = written({ autoCompaction });
  bench.commit({ type: 'compact', revision: 7 });
  assert.throws(() => bench.commit({ type: 'compact', revision: 8 }), found);
});

test('a leader may compact what is older than the time that it keeps, and is found to compact what is newer', () => {
  const autoCompaction = { mode: 'periodic', retentionMs: 50 } as const;
  const bench = written({ autoCompaction });
  bench.commit({ type: 'compact', revision: 6 });
  assert.throws(() => bench.commit({ type: 'compact', revision: 9 }), found);
});

test('clients may compact whatever there is', () => {
  written({}).commit({ type: 'compact', revision: 11 });
});
