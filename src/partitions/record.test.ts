import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeGraceRecord } from '../election/record.ts';
import { assign } from './assignment.ts';
import { type Layout, partitionsOf } from './layout.ts';
import { decodeRecord, encodeRecord } from './record.ts';

const layouts: readonly Layout[] = [{ count: 1 }, { count: 4096 }, { keys: ['a', 'ü'] }];
const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const none = { spread: undefined, seated: undefined };

test('a record tells the layout, and is a clean record of an election to those that read it as such', () => {
  for (const layout of layouts) {
    const record = encodeRecord(17, { layout, ...none });
    assert.deepEqual(decodeRecord('work', record), { layout, ...none });
    assert.deepEqual(decodeGraceRecord('work/roster', record), { token: 17, graceMs: 0, clean: true });
  }
});

test('a record tells who has a seat, where there are seats', () => {
  const given = {
    layout: { count: 4 },
    spread: undefined,
    seated: {
      seats: 8,
      members: [
        ['a', 1],
        ['b', 0.5],
      ],
    },
  } as const;
  assert.deepEqual(decodeRecord('work', encodeRecord(3, given)), given);
});

test('a record tells the member of each partition, however many members there are', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(64, 65, 4096, 4097)),
      fc.constantFrom<Layout>({ count: 1 }, { count: 200 }, { keys: ['a', 'b', 'ü'] }),
      (count, layout) => {
        const members = Array.from({ length: count }, (_, at) => ({
          holder: `h"${at}`,
          weight: 1 + (at % 3),
        }));
        const owners = assign(members, partitionsOf(layout));
        const given = { layout, spread: { members, owners }, seated: undefined };
        assert.deepEqual(decodeRecord('work', encodeRecord(3, given)), given);
      },
    ),
    { numRuns: 30 },
  );
});

test('a thousand partitions of twenty members take about a letter each', () => {
  const members = Array.from({ length: 20 }, (_, at) => ({ holder: `worker-${at}:4242:8c1f`, weight: 1 }));
  const layout = { count: 1000 };
  const spread = { members, owners: assign(members, partitionsOf(layout)) };
  assert(encodeRecord(3, { layout, spread, seated: undefined }).length < 1000 + 20 * 30 + 150);
});

test('what an earlier version wrote tells the layout, and nothing of who has what', () => {
  const earlier = encode({ partitions: { format: 1, assignment: 1, count: 4 } });
  assert.deepEqual(decodeRecord('work', earlier), { layout: { count: 4 }, ...none });
});

test('records of later versions and of others are refused', () => {
  const later = [
    { format: 2, assignment: 1 },
    { format: 1, assignment: 3, count: 4 },
  ];
  for (const partitions of later)
    assert.throws(() => decodeRecord('work', encode({ partitions })), { code: 'data-incompatible' });
  const strange = [null, {}, 7, { partitions: { format: 1, assignment: 2 } }, { format: 1, token: 1 }];
  for (const value of [...strange, { partitions: { format: 1, assignment: 2, count: 0 } }])
    assert.throws(() => decodeRecord('work', encode(value)), { code: 'data-damaged' });
  const unusable = [
    { keys: ['a', 'b\n'] },
    { keys: ['a', 'a'] },
    { keys: ['a', 'roster'] },
    { keys: [''] },
    { keys: ['a'], count: 1 },
    { count: 2 ** 53 - 1 },
    { count: 1, seats: 8 },
    { count: 1, seats: 0, members: [] },
    { count: 1, seats: 8, members: [['a']] },
    { count: 1, seats: 8, members: [['a', 0]] },
    { count: 1, among: [['a', 1]] },
    { count: 1, owners: 'A' },
    { count: 2, among: [['a', 1]], owners: 'A' },
    { count: 1, among: [['a', 1]], owners: 'B' },
    { count: 1, among: [['a', 1]], owners: '!' },
    { count: 1, among: [], owners: 'A' },
    { count: 1, among: [['a', 101]], owners: 'A' },
    {
      count: 1,
      among: [
        ['a', 1],
        ['a', 1],
      ],
      owners: 'A',
    },
  ];
  for (const layout of unusable) {
    const record = encode({ partitions: { format: 1, assignment: 2, ...layout } });
    assert.throws(() => decodeRecord('work', record), { code: 'data-damaged' }, JSON.stringify(layout));
  }
  assert.throws(() => decodeRecord('work', Uint8Array.of(0xff)), { code: 'data-damaged' });
});
