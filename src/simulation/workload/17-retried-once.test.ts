import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommandResult } from '../../keyspace/index.ts';
import type { Entry } from '../../raft/index.ts';
import { CheckerBench, nameOf, putCommand } from './testing/bench.ts';

const key = 'w/k0';

describe('Retries', () => {
  test('that the state recognises are fine, and those that it applies again are seen', () => {
    const bench = new CheckerBench();
    bench.commit({ type: 'registerClient', name: 'one' });
    bench.commit(putCommand(key, 'a'), { identity: [1, 1] });
    bench.commit(putCommand(key, 'a'), { identity: [1, 1] });
    assert.equal(bench.verdict(), undefined);
    const again = (): unknown => bench.commit(putCommand(key, 'a'), { identity: [1, 2] });
    assert.throws(again, (error) => nameOf(error) === '17-retried-once');
  });

  test('that only one member applies again are seen', () => {
    const bench = new CheckerBench();
    bench.commit(putCommand(key, 'a'));
    const entry = bench.life.entries[1] as Entry;
    const results: CommandResult[] = [
      { revision: 9, outcome: { type: 'put', result: { prevKv: undefined } } },
    ];
    const retried = bench.checkers.find(({ name }) => name === '17-retried-once');
    assert.throws(
      () => retried?.applied?.(bench.sight, entry, results),
      (error) => nameOf(error) === '17-retried-once',
    );
  });
});
