import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommandResult } from '../../keyspace/index.ts';
import type { Entry, RaftEffects } from '../../raft/index.ts';
import type { MemberSight } from '../observation.ts';
import { type Answer, type Call, firstLease, type Pair, type RangeShape, type SeenEvent } from './history.ts';
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

/** All of a range as it was at this revision. */
function at(revision: number): RangeShape {
  const order = { sortOrder: 'none', sortTarget: 'key' } as const;
  return { revision, limit: 0, ...order, keysOnly: false, countOnly: false };
}

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

  test('of the past are held against the log as it was, in the shape that was asked for', () => {
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

  test('of the past are refused where it is compacted, and only there', () => {
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

  test('by a lease are seen where a newer leader has committed', () => {
    for (const newer of [false, true]) {
      const bench = new CheckerBench({ leaseReads: true });
      bench.term = 2;
      bench.commit(putCommand(key, 'a'));
      const status = (): unknown => ({ role: 'leader', term: newer ? 1 : 2 });
      const sight = { ...bench.sight, raft: { status } } as unknown as MemberSight;
      const effects = { readsReady: [{ readId: 1, index: 1 }], messages: [], messagesAfterPersist: [] };
      const drain = (): void => {
        for (const checker of bench.checkers) checker.drained?.(sight, effects as unknown as RaftEffects);
      };
      if (newer) assert.throws(drain, (error) => nameOf(error) === '16-lease-reads');
      else drain();
    }
  });
});

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
