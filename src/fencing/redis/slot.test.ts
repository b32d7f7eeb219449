import assert from 'node:assert/strict';
import { test } from 'node:test';
import { besideKey, slotOf } from './slot.ts';

test('slots are those of the cluster specification', () => {
  assert.equal(slotOf('123456789'), 0x31c3);
  assert.equal(slotOf('{user1000}.following'), slotOf('{user1000}.followers'));
  assert.notEqual(slotOf('foo{}{bar}'), slotOf('bar'));
  assert.equal(slotOf('foo{bar}{zap}'), slotOf('bar'));
});

test('a fence stands beside its key, in the same slot', () => {
  for (const key of ['orders', '{orders}:state', 'a{b}{c}', 'ö']) {
    assert.notEqual(besideKey(key, ':fence'), key);
    assert.equal(slotOf(besideKey(key, ':fence')), slotOf(key), key);
  }
  assert.equal(besideKey('orders', ':fence'), '{orders}:fence');
});
