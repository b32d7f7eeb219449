import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bugs } from './bugs.ts';
import { objection } from './plant.ts';

for (const bug of bugs) {
  test(`the bug '${bug.id}' can be planted in the source as it is`, () => {
    assert.equal(objection(bug), undefined);
  });
}

test('planted bugs have ids of their own, and each says who may find it', () => {
  assert.equal(new Set(bugs.map(({ id }) => id)).size, bugs.length);
  for (const { id, title, seen, edits, checkers } of bugs) {
    assert.match(id, /^[a-z0-9-]+$/);
    assert.ok(title !== '' && seen !== '' && edits.length > 0 && checkers.length > 0, id);
    for (const { find, replace } of edits) assert.notEqual(find, replace, id);
  }
});

test('who may find a planted bug is a checker that there is', () => {
  const root = new URL('../../../src/simulation/', import.meta.url);
  const sources = globSync('**/*.ts', { cwd: root, exclude: ['**/*.test.ts'] }).map((file) =>
    readFileSync(new URL(file, root), 'utf8'),
  );
  const names = new Set(bugs.filter(({ core }) => core === undefined).flatMap(({ checkers }) => checkers));
  for (const name of names) {
    assert.ok(
      sources.some((source) => source.includes(`'${name}'`)),
      `there is no checker ${name}`,
    );
  }
});
