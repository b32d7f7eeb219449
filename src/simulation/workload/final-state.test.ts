import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CheckerBench, deleteCommand, putCommand } from './testing/bench.ts';

const key = 'w/k0';

describe('The state at the end', () => {
  test('is content with what the log makes', () => {
    const bench = new CheckerBench();
    bench.put(key, 'a');
    bench.put('w/k1', 'b');
    bench.commit(deleteCommand(key, ''));
    assert.equal(bench.verdict(), undefined);
  });

  test('sees a key too many, one too few and one that is not as it was written', () => {
    for (const [name, value] of [
      ['w/k2', 'ghost'],
      ['w/k1', 'other'],
      ['w/k0', ''],
    ] as const) {
      const bench = new CheckerBench();
      bench.put(key, 'a');
      bench.put('w/k1', 'b');
      // A replica of its own making, at the same index.
      const twin = new CheckerBench();
      if (value !== '') twin.commit(putCommand(key, 'a'));
      twin.commit(putCommand('w/k1', value === 'other' ? value : 'b'));
      if (name === 'w/k2') twin.commit(putCommand(name, value));
      while (bench.keyspace.appliedIndex < twin.keyspace.appliedIndex) bench.commit({ type: 'tick' });
      while (twin.keyspace.appliedIndex < bench.keyspace.appliedIndex) twin.commit({ type: 'tick' });
      bench.keyspace = twin.keyspace;
      assert.equal(bench.verdict(), 'final-state', name);
    }
  });
});
