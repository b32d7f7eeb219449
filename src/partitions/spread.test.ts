import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../runtime/testing.ts';
import { Settling } from './settling.ts';
import { Formerly, remaining, respread } from './spread.ts';

const equal = (...holders: string[]) => holders.map((holder) => ({ holder, weight: 1 }));
const partitions = ['0', '1', '2', '3'];

test('a spread stays the same one where nothing is to change, and where nobody is left to have it', () => {
  const spread = respread(undefined, equal('a', 'b'), partitions);
  assert.equal(respread(spread, equal('b', 'a'), partitions), spread);
  assert.equal(respread(spread, [], partitions), spread);
  assert.equal(respread(spread, [], ['0']), undefined, 'it would not fit');
  assert.equal(respread(undefined, [], partitions), undefined);
  assert.notEqual(respread(spread, equal('a', 'b', 'c', 'd', 'e'), partitions), spread, 'there is one more');
});

test('one that came back with another weight is another member', () => {
  const spread = respread(undefined, equal('a', 'b'), partitions);
  const [a, b] = [
    { holder: 'a', weight: 2 },
    { holder: 'b', weight: 1 },
  ];
  assert.deepEqual(remaining(spread, [a, b]), [b]);
  assert.deepEqual(remaining(undefined, [a, b]), []);
});

test('who left is remembered with what it had, until others leave who had it later', () => {
  const formerly = new Formerly();
  const owners = (...holders: string[]) => new Map(holders.map((holder, at) => [String(at), holder]));
  formerly.note({ members: equal('a', 'b'), owners: owners('a', 'b') }, equal('b'));
  assert.deepEqual(formerly.holders, new Map([['0', 'a']]));
  formerly.note({ members: equal('b'), owners: owners('b', 'b') }, equal('b'));
  assert.deepEqual(formerly.holders, new Map([['0', 'a']]));
  formerly.note({ members: equal('b', 'c'), owners: owners('b', 'c') }, equal('c'));
  assert.deepEqual(formerly.holders, new Map([['0', 'b']]));
});

test('those who joined have settled when nobody joined for so long, or after ten times that', async () => {
  const runtime = manualRuntime();
  const settling = new Settling(runtime.clock, 100);
  assert.equal(settling.look(['a']), 100);
  await runtime.advance(60);
  assert.equal(settling.look(['a']), 40);
  assert.equal(settling.look(['b', 'a']), 100);
  await runtime.advance(100);
  assert.equal(settling.look(['a', 'b']), 0);
  settling.look([]);
  for (let round = 0; round < 11; round++) {
    assert.equal(settling.look(['a', `c${round}`]), Math.min(100, 1000 - 95 * round));
    await runtime.advance(95);
  }
  assert.equal(settling.look(['a']), 0);
});

test('who is to settle for no time at all has settled', () => {
  assert.equal(new Settling(manualRuntime().clock, 0).look(['a']), 0);
});
