import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keyspace } from './keyspace.ts';
import { applyOne, deleteCommand, keysOf, putCommand, rangeOf, rangeRequest } from './testing/requests.ts';
import type { RangeRequest } from './types.ts';

// The answers here are those that etcd 3.4 gave to the same requests.

function filled(): Keyspace {
  const keyspace = new Keyspace();
  for (const [key, value] of ['a3', 'b2', 'c1', 'd0', 'c1'])
    applyOne(keyspace, putCommand(key as string, value));
  return keyspace;
}

function keys(more: Partial<RangeRequest>): string[] | string {
  return keysOf(filled(), rangeRequest('\0', '\0', more));
}

test('a sort target without an order sorts what the limit let through, and one more', () => {
  assert.deepEqual(keys({ sortTarget: 'value', limit: 2 }), ['c', 'b']);
  assert.deepEqual(keys({ sortTarget: 'value', limit: 2, sortOrder: 'ascend' }), ['d', 'c']);
});

test('ties are in key order, whether ascending or descending', () => {
  assert.deepEqual(keys({ sortTarget: 'version', sortOrder: 'ascend' }), ['a', 'b', 'd', 'c']);
  assert.deepEqual(keys({ sortTarget: 'version', sortOrder: 'descend' }), ['c', 'a', 'b', 'd']);
  assert.deepEqual(keys({ sortTarget: 'key', sortOrder: 'descend' }), ['d', 'c', 'b', 'a']);
  assert.deepEqual(keys({ sortTarget: 'mod', sortOrder: 'descend' }), ['c', 'd', 'b', 'a']);
  assert.deepEqual(keys({ sortTarget: 'create', sortOrder: 'descend' }), ['d', 'c', 'b', 'a']);
});

test('the count is of the whole range, whatever the limit and the bounds', () => {
  const keyspace = filled();
  const read = (more: Partial<RangeRequest>) => {
    const { kvs, count, more: cut } = rangeOf(keyspace, rangeRequest('\0', '\0', more));
    return [kvs.length, count, cut];
  };
  assert.deepEqual(read({ limit: 1 }), [1, 4, true]);
  assert.deepEqual(read({ limit: 4 }), [4, 4, false]);
  assert.deepEqual(read({ countOnly: true, limit: 1 }), [0, 4, false]);
  assert.deepEqual(read({ minModRevision: 5, limit: 1 }), [1, 4, true]);
  assert.deepEqual(read({ maxModRevision: -1 }), [0, 4, false]);
  assert.deepEqual(read({ minCreateRevision: 3 }), [3, 4, false]);
  assert.deepEqual(read({ maxCreateRevision: 3 }), [2, 4, false]);
});

test('an end at or below the key is an empty range, an empty end is one key, a zero byte no end', () => {
  const keyspace = filled();
  assert.deepEqual(keysOf(keyspace, rangeRequest('c', 'a')), []);
  assert.deepEqual(keysOf(keyspace, rangeRequest('c', 'c')), []);
  assert.deepEqual(keysOf(keyspace, rangeRequest('c')), ['c']);
  assert.deepEqual(keysOf(keyspace, rangeRequest('c', '\0')), ['c', 'd']);
  assert.deepEqual(keysOf(keyspace, rangeRequest('b', 'd')), ['b', 'c']);
  assert.deepEqual(keysOf(keyspace, rangeRequest('x')), []);
});

test('keys only leaves the values out, after sorting by them', () => {
  const { kvs } = rangeOf(filled(), rangeRequest('\0', '\0', { keysOnly: true, sortTarget: 'value' }));
  assert.deepEqual(
    kvs.map((kv) => [String.fromCharCode(...kv.key), kv.value.length]),
    [
      ['d', 0],
      ['c', 0],
      ['b', 0],
      ['a', 0],
    ],
  );
});

test('what a range returns stays as it was when the store changes', () => {
  const keyspace = filled();
  const before = rangeOf(keyspace, rangeRequest('a'));
  const kept = structuredClone(before);
  for (let i = 0; i < 2000; i++) applyOne(keyspace, putCommand('a', 'x'.repeat(2000)));
  applyOne(keyspace, deleteCommand('a'));
  applyOne(keyspace, { type: 'compact', revision: keyspace.revision });
  for (let i = 0; i < 50; i++) applyOne(keyspace, { type: 'tick' });
  assert.deepEqual(before, kept);
});
