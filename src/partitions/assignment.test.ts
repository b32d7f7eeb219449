import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assign, boundOf, type WeightedMember } from './assignment.ts';

const partitionsOf = (count: number) => Array.from({ length: count }, (_, partition) => String(partition));
const holder = fc.stringMatching(/^[a-z0-9]{12}$/);
const equal = (holders: readonly string[]) => holders.map((each) => ({ holder: each, weight: 1 }));
const members = (weight: fc.Arbitrary<number>, maxLength: number) =>
  fc.uniqueArray(fc.record({ holder, weight }), {
    minLength: 1,
    maxLength,
    selector: (member) => member.holder,
  });
const someWeight = fc.double({ min: 0.1, max: 10, noNaN: true });

function moves(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  return [...after].filter(([partition, holder]) => before.get(partition) !== holder);
}

function loads(assignment: ReadonlyMap<string, string>): Map<string, number> {
  const found = new Map<string, number>();
  for (const holder of assignment.values()) found.set(holder, (found.get(holder) ?? 0) + 1);
  return found;
}

test('an assignment is the same for ever: what earlier versions computed', () => {
  const assignment = assign(
    [
      { holder: 'a', weight: 1 },
      { holder: 'b', weight: 2 },
      { holder: 'c', weight: 0.5 },
    ],
    [...partitionsOf(12), 'orders', 'käse'],
  );
  assert.equal([...assignment.values()].join(''), 'bbbbbaaaabbbbb');
});

test('every partition has a member, none has more than its bound, and the order of the members does not matter', () => {
  fc.assert(
    fc.property(members(someWeight, 40), fc.integer({ min: 1, max: 400 }), (given, count) => {
      const partitions = partitionsOf(count);
      const assignment = assign(given, partitions);
      assert.deepEqual([...assignment.keys()], partitions);
      const totalWeight = given
        .toSorted((left, right) => (left.holder < right.holder ? -1 : 1))
        .reduce((sum, { weight }) => sum + weight, 0);
      const found = loads(assignment);
      for (const { holder, weight } of given)
        assert((found.get(holder) ?? 0) <= boundOf(count, weight, totalWeight));
      assert.deepEqual(assign(given.toReversed(), partitions), assignment);
    }),
    { numRuns: 60 },
  );
});

test('with equal weights none has more than a quarter above its share, rounded up', () => {
  fc.assert(
    fc.property(members(fc.constant(1), 40), fc.integer({ min: 1, max: 1000 }), (given, count) => {
      const most = Math.max(...loads(assign(given, partitionsOf(count))).values());
      assert(most <= Math.ceil((1.25 * count) / given.length));
    }),
    { numRuns: 60 },
  );
});

function checkMoves(given: readonly WeightedMember[], joining: WeightedMember, count: number) {
  const partitions = partitionsOf(count);
  const without = assign(given, partitions);
  const withAll = assign([...given, joining], partitions);
  const totalWeight = given.reduce((sum, { weight }) => sum + weight, joining.weight);
  const share = (count * joining.weight) / totalWeight;
  const moved = moves(without, withAll);
  const most = share >= 16 ? 2 * share : 2 * share + 8;
  assert(moved.length <= most, `${moved.length} of ${count} moved, the share is ${share}`);
  // Read backwards it is a leave: the same partitions move.
  assert.equal(moves(withAll, without).length, moved.length);
  // Between two that stayed, a partition moves only where one of them is at its bound.
  const [before, after] = [loads(without), loads(withAll)];
  for (const [partition, to] of moved) {
    if (to === joining.holder) continue;
    const from = without.get(partition) ?? '';
    const weightOf = (holder: string) => given.find((member) => member.holder === holder)?.weight ?? 0;
    const wasFull = before.get(to) === boundOf(count, weightOf(to), totalWeight - joining.weight);
    const isFull = after.get(from) === boundOf(count, weightOf(from), totalWeight);
    assert(wasFull || isFull, `${partition} went from ${from} to ${to}, and neither was full`);
  }
}

test('a join or a leave among equals moves at most twice a share, with a few partitions a member 8 more', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(holder, { minLength: 2, maxLength: 64 }),
      fc.integer({ min: 1, max: 1200 }),
      ([joining = '', ...rest], count) => checkMoves(equal(rest), { holder: joining, weight: 1 }, count),
    ),
    { numRuns: 150 },
  );
});

test('with weights a join or a leave moves at most twice the share of the one that came or went, and 8', () => {
  const weight = fc.integer({ min: 1, max: 8 });
  fc.assert(
    fc.property(members(weight, 32), fc.integer({ min: 1, max: 1000 }), ([joining, ...rest], count) => {
      if (joining !== undefined && rest.length > 0) checkMoves(rest, joining, count);
    }),
    { numRuns: 150 },
  );
});

test('a thousand partitions over twenty members: joins and leaves of many generations stay near a twentieth', () => {
  const partitions = partitionsOf(1000);
  let holders = Array.from({ length: 20 }, (_, member) => `host-${member}:1:0`);
  let before = assign(equal(holders), partitions);
  let [sum, worst] = [0, 0];
  for (let generation = 1; generation <= 40; generation++) {
    const leaves = generation % 2 === 0;
    const which = (generation * 7) % holders.length;
    holders = leaves
      ? holders.filter((_, at) => at !== which)
      : [...holders, `host-${which}:${generation}:0`];
    const after = assign(equal(holders), partitions);
    const moved = moves(before, after).length;
    sum += moved;
    worst = Math.max(worst, moved);
    before = after;
  }
  assert(sum / 40 < 1.25 * (1000 / 20), `mean ${sum / 40}`);
  assert(worst <= 2 * (1000 / 20), `worst ${worst}`);
});

test('twice the weight is twice the partitions, about', () => {
  const given = Array.from({ length: 10 }, (_, member) => ({
    holder: `m${member}`,
    weight: member < 5 ? 2 : 1,
  }));
  const found = loads(assign(given, partitionsOf(3000)));
  for (const { holder, weight } of given) {
    const load = found.get(holder) ?? 0;
    assert(Math.abs(load - weight * 200) < weight * 50, `${holder} has ${load}`);
  }
});

test('nobody there: nothing assigned; a member that is named twice is one', () => {
  assert.equal(assign([], ['a']).size, 0);
  const twice = assign(equal(['a', 'a', 'b']), partitionsOf(10));
  assert.deepEqual(twice, assign(equal(['b', 'a']), partitionsOf(10)));
});
