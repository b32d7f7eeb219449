import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Call, firstLease, type Pair, type RangeShape } from './history.ts';
import { CheckerBench, createCommand, deleteCommand, nameOf, putCall, putCommand } from './testing/bench.ts';

const key = 'w/k0';

describe('The log as a witness', () => {
  test('is content with what is right', () => {
    const bench = new CheckerBench();
    const first = bench.put(key, 'a');
    bench.read(key, [first], first.mod);
    const erase = bench.ask({ type: 'delete', key, end: `${key}\0d`, prevKv: false });
    const revision = bench.commit(deleteCommand(key, `${key}\0d`));
    bench.answer(erase, { type: 'delete', deleted: 1, previous: [], revision });
    bench.read(key, [], revision);
    assert.equal(bench.verdict(), undefined);
  });

  test('sees an acknowledged write that the log does not have', () => {
    const bench = new CheckerBench();
    const lost = bench.ask(putCall(key, 'a'));
    bench.answer(lost, { type: 'put', previous: undefined, revision: 2 });
    assert.equal(bench.verdict(), 'log-witness');
  });

  test('sees a write that was reported as not applied, and applied before or later', () => {
    for (const later of [false, true]) {
      const bench = new CheckerBench();
      const refused = bench.ask(putCall(key, 'a'));
      const refuse = (): void => bench.history.failed(refused, 'not-applied', 'timeout');
      if (!later) bench.commit(putCommand(key, 'a'));
      refuse();
      if (!later) assert.equal(bench.verdict(), 'log-witness');
      else
        assert.throws(
          () => bench.commit(putCommand(key, 'a')),
          (error) => nameOf(error) === 'log-witness',
        );
    }
  });

  test('lets a write of unknown outcome be applied or not', () => {
    const bench = new CheckerBench();
    bench.history.failed(bench.ask(putCall(key, 'a')), 'unknown', 'timeout');
    bench.history.orphaned(bench.ask(putCall(key, 'b')));
    bench.commit(putCommand(key, 'b'));
    assert.equal(bench.verdict(), undefined);
  });

  test('sees a write that was committed before it was asked for', () => {
    const bench = new CheckerBench();
    bench.commit(putCommand(key, 'a'));
    bench.answer(bench.ask(putCall(key, 'a')), { type: 'put', previous: undefined, revision: 2 });
    assert.equal(bench.verdict(), 'log-witness');
  });

  test('sees a wrong revision, a wrong value, and a revision that is not committed', () => {
    const wrongs: ((pair: Pair) => [readonly Pair[], number])[] = [
      (pair) => [[{ ...pair, value: 'b' }], pair.mod],
      (pair) => [[{ ...pair, version: 2 }], pair.mod],
      (pair) => [[], pair.mod],
      (pair) => [[pair], pair.mod + 1],
    ];
    for (const wrong of wrongs) {
      const bench = new CheckerBench();
      const [pairs, revision] = wrong(bench.put(key, 'a'));
      bench.read(key, pairs, revision);
      assert.equal(bench.verdict(), 'log-witness');
    }
  });

  test('sees a transaction that is told the wrong branch', () => {
    const bench = new CheckerBench();
    bench.put(key, 'a');
    const guards = [{ key, expects: undefined, mod: 0 }];
    const call: Call = {
      type: 'txn',
      guards,
      success: [{ type: 'put', key, value: 'b', lease: 0n, prevKv: false }],
      failure: [],
    };
    const asked = bench.ask(call);
    const revision = bench.commit(createCommand(key, 'b'));
    const responses = [{ type: 'put', previous: undefined }] as const;
    bench.answer(asked, { type: 'txn', succeeded: true, responses, revision });
    assert.equal(bench.verdict(), 'log-witness');
  });

  test('sees a refusal by a state that was never asked', () => {
    const bench = new CheckerBench();
    bench.history.failed(bench.ask(putCall(key, 'a')), 'not-applied', 'lease-lost');
    assert.equal(bench.verdict(), 'log-witness');
  });

  test('sees a renewal that no entry of the log explains, and knows of those that expired', () => {
    const lease = firstLease + 1n;
    const bench = new CheckerBench();
    const grant = bench.ask({ type: 'grant', lease, ttlMs: 100 });
    bench.commit({ type: 'leaseGrant', lease, ttlMs: 100 });
    bench.answer(grant, { type: 'grant', ttlMs: 100, revision: 0 });
    bench.commit(putCommand(key, 'a', lease));
    const renewal = bench.ask({ type: 'renew', lease });
    bench.commit({ type: 'leaseRenew', leases: [lease] });
    bench.answer(renewal, { type: 'renew', ttlMs: 100, revision: 0 });
    bench.life.nowUs += 200_000;
    bench.commit({ type: 'tick' });
    bench.read(key, [], bench.keyspace.revision);
    assert.equal(bench.verdict(), undefined);
    bench.answer(bench.ask({ type: 'renew', lease }), { type: 'renew', ttlMs: 100, revision: 0 });
    assert.equal(bench.verdict(), 'log-witness');
  });

  test('sees a bug that a client calls one', () => {
    const bench = new CheckerBench();
    bench.history.failed(bench.ask(putCall(key, 'a')), 'unknown', 'internal: TypeError');
    assert.equal(bench.verdict(), 'log-witness');
  });
});

/** All of a range as it was at this revision. */
function at(revision: number): RangeShape {
  const order = { sortOrder: 'none', sortTarget: 'key' } as const;
  return { revision, limit: 0, ...order, keysOnly: false, countOnly: false };
}

describe('Reads of the past', () => {
  test('are held against the log as it was, in the shape that was asked for', () => {
    const bench = new CheckerBench();
    const first = bench.put(key, 'a');
    bench.put(key, 'b');
    const second = bench.put('w/k1', 'c');
    const shape = at(first.mod);
    const read = (pairs: readonly Pair[], more: Partial<RangeShape>, answer: object = {}): void => {
      const call = { type: 'range', key: 'w/k', end: 'w/l', serializable: false } as const;
      const asked = bench.ask({ ...call, shape: { ...shape, ...more } });
      const { mod: revision } = second;
      bench.answer(asked, { type: 'range', pairs, count: pairs.length, more: false, revision, ...answer });
    };
    read([first], {});
    read([{ ...first, value: '' }], { keysOnly: true });
    read([], { countOnly: true }, { count: 1 });
    read(
      [second],
      { revision: 0, sortOrder: 'descend', sortTarget: 'mod', limit: 1 },
      { count: 2, more: true },
    );
    assert.equal(bench.verdict(), undefined);
    read([second], { revision: 0, sortOrder: 'descend', sortTarget: 'mod', limit: 1 }, { count: 2 });
    assert.equal(bench.verdict(), 'log-witness', 'it does not say that there is more');
    const late = new CheckerBench();
    const old = late.put(key, 'a');
    const { mod: revision } = late.put(key, 'b');
    const asked = late.ask({ type: 'range', key, end: '', serializable: false, shape });
    const pair: Pair = { ...old, mod: revision, version: 2, value: 'b' };
    late.answer(asked, { type: 'range', pairs: [pair], count: 1, more: false, revision });
    assert.equal(late.verdict(), 'log-witness', 'it shows the present');
  });

  test('are refused where it is compacted, and only there', () => {
    for (const [compacted, refused] of [
      [false, true],
      [true, false],
    ]) {
      const bench = new CheckerBench();
      const first = bench.put(key, 'a');
      const { mod: revision } = bench.put(key, 'b');
      const shape = at(first.mod);
      const early = bench.ask({ type: 'range', key, end: '', serializable: false, shape });
      if (compacted) bench.commit({ type: 'compact', revision });
      if (compacted) bench.history.failed(early, 'not-applied', 'out-of-range');
      assert.equal(bench.verdict(), undefined);
      const read = bench.ask({ type: 'range', key, end: '', serializable: false, shape });
      if (refused) bench.history.failed(read, 'not-applied', 'out-of-range');
      else bench.answer(read, { type: 'range', pairs: [first], count: 1, more: false, revision });
      assert.equal(bench.verdict(), 'log-witness');
    }
  });
});
