import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeGraceRecord } from '../election/record.ts';
import { decodeRecord, encodeRecord, grown, type Layout, partitionOf, partitionsOf } from './layout.ts';

const layouts: readonly Layout[] = [{ count: 1 }, { count: 4096 }, { keys: ['a', 'ü'] }];

test('a record tells the layout, and is a clean record of an election to those that read it as such', () => {
  for (const layout of layouts) {
    const record = encodeRecord(17, { layout, seated: undefined });
    assert.deepEqual(decodeRecord('work', record), { layout, seated: undefined });
    assert.deepEqual(decodeGraceRecord('work/roster', record), { token: 17, graceMs: 0, clean: true });
  }
});

test('a record tells who has a seat, where there are seats', () => {
  const given = {
    layout: { count: 4 },
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

test('records of later versions and of others are refused', () => {
  const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const later = [
    { format: 2, assignment: 1 },
    { format: 1, assignment: 2, count: 4 },
  ];
  for (const partitions of later)
    assert.throws(() => decodeRecord('work', encode({ partitions })), { code: 'data-incompatible' });
  const strange = [null, {}, 7, { partitions: { format: 1, assignment: 1 } }, { format: 1, token: 1 }];
  for (const value of [...strange, { partitions: { format: 1, assignment: 1, count: 0 } }])
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
  ];
  for (const layout of unusable) {
    const record = encode({ partitions: { format: 1, assignment: 1, ...layout } });
    assert.throws(() => decodeRecord('work', record), { code: 'data-damaged' });
  }
  assert.throws(() => decodeRecord('work', Uint8Array.of(0xff)), { code: 'data-damaged' });
});

test('layouts only grow, and counts do not mix with keys', () => {
  assert.deepEqual(grown(undefined, { count: 3 }), { count: 3 });
  assert.deepEqual(grown({ count: 3 }, { count: 5 }), { count: 5 });
  assert.deepEqual(grown({ count: 5 }, { count: 3 }), { count: 5 });
  assert.deepEqual(grown({ keys: ['a'] }, { keys: ['b'] }), { keys: ['a', 'b'] });
  assert.deepEqual(grown({ keys: ['a', 'b'] }, { keys: ['b'] }), { keys: ['a', 'b'] });
  assert.equal(grown({ count: 5 }, { keys: ['b'] }), undefined);
});

test('a key has one partition of those that there are; twice the count leaves it or moves it up by the count', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 32_768 }), (key, count) => {
      const partition = partitionOf({ count }, key) ?? '';
      assert(Number(partition) < count);
      const after = Number(partitionOf({ count: 2 * count }, key));
      assert([Number(partition), Number(partition) + count].includes(after));
    }),
  );
  assert.deepEqual(partitionsOf({ count: 3 }), ['0', '1', '2']);
  assert.equal(partitionOf({ keys: ['a'] }, 'b'), undefined);
});
