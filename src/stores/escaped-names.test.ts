import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { escapeName, unescapeName } from './escaped-names.ts';

test('any name comes back from its escaped form', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (name) => {
      assert.equal(unescapeName(escapeName(name)), name);
    }),
  );
});

test('an escaped name is one segment of a path that nothing folds away', () => {
  const names = ['/', 'a/b', '.', '..', '...', '', '%2F', 'ä', '?', '#', '=', '//', '\u0000', ' '];
  const escaped = names.map((name) => escapeName(name));
  assert.equal(new Set(escaped).size, names.length);
  for (const segment of escaped) {
    assert.match(segment, /^[\w.:@=-]+$/);
    assert.equal(new URL(`http://host/before/${segment}/after`).pathname, `/before/${segment}/after`);
  }
});

test('a plain name stays readable', () => {
  assert.equal(escapeName('nightly-report.v2'), 'nightly-report.v2');
});

test('a segment that is no escaped name is none', () => {
  for (const segment of ['a/b', '=2f', '=41', '=', 'a=', '.', 'ä', '=FF'].filter((one) => one !== '=')) {
    assert.equal(unescapeName(segment), undefined, segment);
  }
});
