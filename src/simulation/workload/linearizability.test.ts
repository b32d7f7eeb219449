import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  absent,
  firstValue,
  type Possibility,
  type RegisterOperation,
  type State,
  searchOrder,
} from './linearizability.ts';

const open = Number.POSITIVE_INFINITY;

function operation(
  invokedUs: number,
  completedUs: number,
  possibility: Possibility,
  hint = 0,
): RegisterOperation {
  return { invokedUs, completedUs, possibilities: [possibility], hint };
}
const put = (from: number, to: number, value: State) =>
  operation(from, to, { when: 'any', state: absent, becomes: value });
const get = (from: number, to: number, value: State) =>
  operation(from, to, { when: 'is', state: value, becomes: undefined });
const swap = (from: number, to: number, old: State, value: State) =>
  operation(from, to, { when: 'is', state: old, becomes: value });

/** Every subset of the open ones, in every order. */
function byBruteForce(operations: readonly RegisterOperation[], mayExpire: ReadonlySet<State>): boolean {
  const follow = (left: readonly RegisterOperation[], state: State): boolean => {
    if (left.every(({ completedUs }) => completedUs === open)) return true;
    if (mayExpire.has(state) && state !== absent && follow(left, absent)) return true;
    return left.some((next) => {
      if (left.some((other) => other !== next && other.completedUs < next.invokedUs)) return false;
      const rest = left.filter((other) => other !== next);
      return next.possibilities.some(({ when, state: named, becomes }) => {
        if (when === 'is' && state !== named) return false;
        if (when === 'is-not' && state === named) return false;
        if (when === 'present' && state === absent) return false;
        return follow(rest, becomes ?? state);
      });
    });
  };
  return follow(operations, absent);
}

const a = firstValue;
const b = firstValue + 1;

describe('The search for an order', () => {
  test('finds one where a read overlaps the write that it sees', () => {
    assert.equal(searchOrder([put(0, 10, a), get(5, 6, a), get(5, 6, absent)]).verdict, 'linearizable');
  });

  test('finds none where a read shows what a completed write had replaced', () => {
    const result = searchOrder([put(0, 1, a), put(2, 3, b), get(4, 5, a)]);
    assert.equal(result.verdict, 'not-linearizable');
    assert.deepEqual(result.stuckAt, [2]);
  });

  test('finds none where a completed write was lost', () => {
    assert.equal(searchOrder([put(0, 1, a), get(2, 3, absent)]).verdict, 'not-linearizable');
  });

  test('finds none where two swaps of the same value both succeed', () => {
    const history = [put(0, 1, a), swap(2, 5, a, b), swap(2, 5, a, b + 1)];
    assert.equal(searchOrder(history).verdict, 'not-linearizable');
  });

  test('lets a write without an answer happen late, once, or never', () => {
    assert.equal(searchOrder([put(0, open, a), get(5, 6, absent), get(7, 8, a)]).verdict, 'linearizable');
    assert.equal(searchOrder([put(0, open, a), get(5, 6, absent)]).verdict, 'linearizable');
    const twice = [put(0, open, a), get(5, 6, a), put(7, 8, b), get(9, 10, a)];
    assert.equal(searchOrder(twice).verdict, 'not-linearizable');
  });

  test('lets a value expire only where it may', () => {
    const history = [put(0, 1, a), get(2, 3, absent)];
    assert.equal(searchOrder(history, { mayExpire: new Set([a]) }).verdict, 'linearizable');
    assert.equal(searchOrder(history, { mayExpire: new Set([b]) }).verdict, 'not-linearizable');
    const back = [...history, get(4, 5, a)];
    assert.equal(searchOrder(back, { mayExpire: new Set([a]) }).verdict, 'not-linearizable');
  });

  test('gives up within its bound', () => {
    const many = [
      ...Array.from({ length: 12 }, (_, at) => put(0, 100, firstValue + at)),
      get(200, 201, absent),
    ];
    assert.equal(searchOrder(many, { maxSteps: 50 }).verdict, 'undecided');
  });

  test('agrees with trying everything', () => {
    const state = fc.integer({ min: 0, max: 4 });
    const possibility = fc.record({
      when: fc.constantFrom('any' as const, 'is' as const, 'is-not' as const, 'present' as const),
      state,
      becomes: fc.option(state, { nil: undefined }),
    });
    const one = fc
      .tuple(
        fc.nat(12),
        fc.nat(8),
        fc.boolean(),
        fc.array(possibility, { minLength: 1, maxLength: 2 }),
        fc.nat(5),
      )
      .map(([invokedUs, takes, answered, possibilities, hint]) => ({
        invokedUs,
        completedUs: answered ? invokedUs + takes : open,
        possibilities,
        hint,
      }));
    let linearizable = 0;
    let not = 0;
    fc.assert(
      fc.property(fc.array(one, { maxLength: 6 }), fc.subarray([1, 2, 3, 4]), (operations, expiring) => {
        const mayExpire = new Set(expiring);
        const right = byBruteForce(operations, mayExpire);
        if (right) linearizable++;
        else not++;
        const expected = right ? 'linearizable' : 'not-linearizable';
        assert.equal(searchOrder(operations, { mayExpire }).verdict, expected);
      }),
      { numRuns: 3000 },
    );
    assert.ok(linearizable > 300 && not > 300, `${linearizable} and ${not}`);
  });

  test('takes one step for each operation where the hints are right', () => {
    const history = Array.from({ length: 2000 }, (_, at): RegisterOperation => {
      const value = firstValue + (at >> 1);
      return at % 2 === 0
        ? operation(at, at + 40, { when: 'any', state: absent, becomes: value }, at)
        : operation(at, at + 40, { when: 'is', state: value, becomes: undefined }, at);
    });
    const result = searchOrder(history);
    assert.equal(result.verdict, 'linearizable');
    assert.equal(result.steps, 2000);
  });
});
