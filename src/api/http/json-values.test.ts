import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { JsonValues } from './json-values.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function cutUp(
  text: string,
  cuts: readonly number[],
  maxBytes = 1_000_000,
  maxMembers = 1_000_000,
): { values: string[]; left: boolean } {
  const bytes = Buffer.from(text);
  const splitter = new JsonValues({ maxBytes, maxMembers });
  const values: string[] = [];
  let offset = 0;
  for (let turn = 0; offset < bytes.length; turn++) {
    const length = cuts[turn % cuts.length] ?? 1;
    values.push(...splitter.push(bytes.subarray(offset, offset + length)));
    offset += length;
  }
  values.push(...splitter.end());
  return { values, left: splitter.incomplete };
}

test('values come out whole and in order, however the bytes are cut', () => {
  const value = fc.oneof(fc.json({ maxDepth: 4 }), fc.json({ stringUnit: 'grapheme' }));
  fc.assert(
    fc.property(
      fc.array(value, { maxLength: 8 }),
      fc.constantFrom(' ', '\n', '\r\n\t'),
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      (values, between, cuts) => {
        assert.deepEqual(cutUp(values.join(between), cuts), { values, left: false });
      },
    ),
  );
});

test('values need nothing between them where they have ends of their own', () => {
  const { values, left } = cutUp('{"a":"}\\"{"}[1]"x"{}12{}nonsense', [3]);
  assert.deepEqual(values, ['{"a":"}\\"{"}', '[1]', '"x"', '{}', '12', '{}', 'nonsense']);
  assert.equal(left, false);
});

test('what has no end is known to be incomplete', () => {
  for (const text of ['{"key":', '[1', '"x', '{"a":"}"']) {
    assert.deepEqual(cutUp(text, [2]), { values: [], left: true });
  }
  assert.deepEqual(cutUp('  \n', [1]), { values: [], left: false });
});

test('a value longer than the bound is refused before it is held', () => {
  assert.throws(() => cutUp(`"${'x'.repeat(200)}"`, [50], 100), /request body too large/);
  assert.throws(() => cutUp('['.repeat(200), [1], 100), /request body too large/);
  // Values each below the bound are not.
  assert.equal(cutUp('"0123456789" '.repeat(100), [7], 20).values.length, 100);
});

test('a value that comes byte by byte costs no more than its bytes', () => {
  const splitter = new JsonValues({ maxBytes: 1_000_000, maxMembers: 10 });
  const letter = Buffer.from('x');
  splitter.push(Buffer.from('"'));
  const beforeBytes = memoryBytes();
  for (let i = 0; i < 500_000; i++) splitter.push(letter.subarray(0));
  const grownBytes = memoryBytes() - beforeBytes;
  assert.ok(splitter.heldBytes >= 500_001 && splitter.heldBytes <= 1_000_000, `${splitter.heldBytes}`);
  // Of pieces held by themselves it would be some 90 MB.
  assert.ok(grownBytes < 10_000_000, `${grownBytes} bytes for ${splitter.heldBytes}`);
});

/** Of what is still in use. */
function memoryBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test('a value with more fields and elements than the bound is refused as soon as that shows', () => {
  const refused = /more than 50 fields and elements/;
  for (const text of [
    `{${'"a":1,'.repeat(60)}"b":1}`,
    `[${'1,'.repeat(60)}1]`,
    '['.repeat(60),
    `[${'{},'.repeat(30)}{}]`,
  ]) {
    assert.throws(() => cutUp(text, [7], 1_000_000, 50), refused);
    // Not so where they are text, or belong to several values.
    assert.equal(cutUp(JSON.stringify(text), [7], 1_000_000, 50).values.length, 1);
  }
  assert.equal(cutUp('[1,2,3] '.repeat(60), [7], 1_000_000, 50).values.length, 60);
});
