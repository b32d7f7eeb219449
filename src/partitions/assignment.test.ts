import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assign, boundOf, type WeightedMember } from './assignment.ts';

const partitionsOf = (count: number) => Array.from({ length: count }, (_, partition) => String(partition));
/** Few short ones: the order and the hashes of ids must not matter, nor that they come again. */
const holder = fc.oneof(fc.stringMatching(/^[ab]{1,3}$/), fc.stringMatching(/^[a-z0-9]{12}$/));
const anyWeight = fc.oneof(
  fc.constant(1),
  fc.integer({ min: 1, max: 5 }),
  fc.constantFrom(0.01, 0.1, 0.2, 0.3, 0.7, 99.999999, 100),
  fc.double({ min: 0.01, max: 100, noNaN: true }),
);
const count = fc.oneof(
  fc.integer({ min: 1, max: 12 }),
  fc.integer({ min: 1, max: 60 }),
  fc.integer({ min: 1, max: 600 }),
);
const members = (weight: fc.Arbitrary<number>, maxLength: number) =>
  fc.uniqueArray(fc.record({ holder, weight }), { minLength: 1, maxLength, selector: (one) => one.holder });
const equal = (holders: readonly string[]) => holders.map((each) => ({ holder: each, weight: 1 }));
const totalOf = (given: readonly WeightedMember[]) =>
  given.reduce((sum, { weight }) => sum + exact(weight), 0);
/** As the assignment counts them. */
const exact = (weight: number) => Math.round(weight * 1e6) / 1e6;

type Assignment = ReadonlyMap<string, string>;

function moves(before: Assignment, after: Assignment) {
  return [...after].filter(([partition, owner]) => before.get(partition) !== owner);
}

function loads(assignment: Assignment): Map<string, number> {
  const found = new Map<string, number>();
  for (const owner of assignment.values()) found.set(owner, (found.get(owner) ?? 0) + 1);
  return found;
}

function checkBalance(given: readonly WeightedMember[], partitions: readonly string[], owners: Assignment) {
  assert.deepEqual([...owners.keys()], given.length === 0 ? [] : partitions);
  const found = loads(owners);
  const total = totalOf(given);
  for (const each of given) {
    const load = found.get(each.holder) ?? 0;
    const bound = boundOf(partitions.length, each.weight, total);
    assert(load <= bound, `${each.holder} has ${load} of ${partitions.length}, its bound is ${bound}`);
    if (given.length <= partitions.length) assert(load >= 1);
    if (given.every(({ weight }) => weight === each.weight))
      assert(load >= Math.floor(partitions.length / given.length));
  }
  assert.equal(
    [...found.keys()].every((owner) => given.some((one) => one.holder === owner)),
    true,
  );
}

test('an assignment is the same for ever: what earlier versions computed', () => {
  const among = [
    { holder: 'a', weight: 1 },
    { holder: 'b', weight: 2 },
    { holder: 'c', weight: 0.5 },
  ];
  const partitions = [...partitionsOf(12), 'orders', 'käse'];
  const first = assign(among, partitions);
  assert.equal([...first.values()].join(''), 'bababbccbbbaab');
  const second = assign(among.slice(1), partitions, first);
  assert.equal([...second.values()].join(''), 'bcbbbbccbbbbbb');
  const third = assign([...among, { holder: 'd', weight: 1 }], partitions, second);
  assert.equal([...third.values()].join(''), 'babddaccbbdbab');
});

test('a bound is the share, rounded up, without an error of rounding', () => {
  assert.equal(boundOf(10, 0.1, 0.1 + 0.2), 4);
  assert.equal(boundOf(9, 0.1, 0.1 + 0.2), 3);
  assert.equal(boundOf(1000, 1, 20), 50);
  assert.equal(boundOf(65_536, 100, 409_600), 16);
  assert.equal(boundOf(1, 0.01, 100), 1);
});

/** One after another; weights of those who stay, and their order, are theirs. */
type Step =
  | { readonly type: 'join'; readonly member: WeightedMember }
  | { readonly type: 'leave'; readonly which: number }
  | { readonly type: 'grow'; readonly by: number };

const steps = (weight: fc.Arbitrary<number>) =>
  fc.array(
    fc.oneof<fc.Arbitrary<Step>[]>(
      fc.record({ type: fc.constant('join'), member: fc.record({ holder, weight }) }),
      fc.record({ type: fc.constant('leave'), which: fc.nat(1000) }),
      fc.record({ type: fc.constant('grow'), by: fc.integer({ min: 1, max: 7 }) }),
    ),
    { maxLength: 40 },
  );

function walk(start: readonly WeightedMember[], startCount: number, all: readonly Step[]) {
  let [among, partitions] = [start, partitionsOf(startCount)];
  let owners = assign(among, partitions);
  checkBalance(among, partitions, owners);
  for (const step of all) {
    const before = owners;
    const leaving = step.type === 'leave' ? among[step.which % Math.max(1, among.length)] : undefined;
    if (step.type === 'grow') partitions = partitionsOf(partitions.length + step.by);
    else if (leaving !== undefined) among = among.filter((one) => one !== leaving);
    else if (step.type === 'join' && among.every((one) => one.holder !== step.member.holder))
      among = [...among, step.member];
    else continue;
    owners = assign(among, partitions, before);
    checkBalance(among, partitions, owners);
    assert.deepEqual(assign(among.toReversed(), partitions, before), owners, 'whoever computes it');
    assert.deepEqual(assign(among, partitions, owners), owners, 'nothing else is to move');
    const moved = moves(before, owners);
    if (step.type === 'grow') {
      if (before.size > 0) assert.equal(moved.length, step.by);
    } else if (leaving !== undefined) {
      const had = loads(before).get(leaving.holder) ?? 0;
      if (among.length > 0) assert.equal(moved.length, had);
      assert(had <= boundOf(partitions.length, leaving.weight, totalOf([...among, leaving])));
    } else if (step.type === 'join') {
      const { holder: joining, weight } = step.member;
      assert(
        moved.every(([, to]) => to === joining),
        'only the joiner gets any',
      );
      assert(moved.length <= boundOf(partitions.length, weight, totalOf(among)));
      assert.equal(moved.length, loads(owners).get(joining) ?? 0);
    }
  }
}

for (const [weights, weight] of [
  ['equal weights', fc.constant(1)],
  ['weights of any kind', anyWeight],
] as const) {
  test(`with ${weights}, after each of many joins, leaves and growths: none above its share, rounded up; a join moves the joiner's share, a leave the leaver's`, () => {
    fc.assert(
      fc.property(members(weight, 24), count, steps(weight), (start, startCount, all) => {
        walk(start, startCount, all);
      }),
      { numRuns: 300 },
    );
  });
}

test('a join moves at most twice the share wherever that is a whole partition or more, and else one at most', () => {
  fc.assert(
    fc.property(members(anyWeight, 16), count, ([joining, ...rest], partitions) => {
      if (joining === undefined || rest.length === 0) return;
      const ids = partitionsOf(partitions);
      const before = assign(rest, ids);
      const share = (partitions * exact(joining.weight)) / totalOf([joining, ...rest]);
      assert(moves(before, assign([joining, ...rest], ids, before)).length <= Math.max(1, 2 * share));
    }),
    { numRuns: 200 },
  );
});

test('many who come and go at one time: what must move moves, and the balance is kept', () => {
  fc.assert(
    fc.property(
      members(anyWeight, 24),
      members(anyWeight, 24),
      count,
      fc.boolean(),
      (first, second, partitions, overlap) => {
        const ids = partitionsOf(partitions);
        const before = assign(first, ids);
        const among = overlap
          ? [...first, ...second.filter((one) => first.every((other) => other.holder !== one.holder))]
          : second;
        const after = assign(among, ids, before);
        checkBalance(among, ids, after);
        const [had, has] = [loads(before), loads(after)];
        const gained = among.map((one) =>
          Math.max(0, (has.get(one.holder) ?? 0) - (had.get(one.holder) ?? 0)),
        );
        assert.equal(
          moves(before, after).length,
          gained.reduce((sum, more) => sum + more, 0),
          'nobody gives and takes',
        );
      },
    ),
    { numRuns: 150 },
  );
});

test('one that comes back gets what it had, where that is known, and as many move as otherwise', () => {
  fc.assert(
    fc.property(members(anyWeight, 16), count, fc.nat(1000), (among, partitions, which) => {
      const ids = partitionsOf(partitions);
      const leaving = among[which % among.length] as WeightedMember;
      const before = assign(among, ids);
      const had = new Map([...before].filter(([, owner]) => owner === leaving.holder));
      const without = assign(
        among.filter((one) => one !== leaving),
        ids,
        before,
      );
      const back = assign(among, ids, without, had);
      assert.equal(moves(without, back).length, moves(without, assign(among, ids, without)).length);
      const loadOf = (owners: Assignment) => loads(owners).get(leaving.holder) ?? 0;
      if (
        loadOf(back) === loadOf(before) &&
        new Set(among.map(({ weight }) => weight)).size === 1 &&
        among.length > 1
      )
        assert.deepEqual(back, before);
    }),
    { numRuns: 150 },
  );
});

test('what is written of members that are gone, of partitions that are not, and of too many is put right', () => {
  const owners = assign(
    equal(['a', 'b']),
    partitionsOf(4),
    new Map([...partitionsOf(9)].map((one) => [one, 'a'])),
  );
  assert.deepEqual([...loads(owners).values()], [2, 2]);
  const others = assign(equal(['a', 'b']), partitionsOf(4), new Map([['0', 'x']]));
  assert.deepEqual([...loads(others).values()].sort(), [2, 2]);
});

test('twice the weight is twice the partitions', () => {
  const given = Array.from({ length: 10 }, (_, member) => ({
    holder: `m${member}`,
    weight: member < 5 ? 2 : 1,
  }));
  const found = loads(assign(given, partitionsOf(3000)));
  for (const { holder, weight } of given) assert.equal(found.get(holder), weight * 200);
});

test('nobody there: nothing assigned; a member that is named twice is one', () => {
  assert.equal(assign([], ['a']).size, 0);
  assert.equal(assign([], ['a'], new Map([['a', 'x']])).size, 0);
  const twice = assign(equal(['a', 'a', 'b']), partitionsOf(10));
  assert.deepEqual(twice, assign(equal(['b', 'a']), partitionsOf(10)));
});
