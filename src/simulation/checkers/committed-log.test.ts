import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommittedEntries } from './committed-log.ts';
import { entry } from './testing.ts';

test('the first report of an index stands, with its time, and later ones are not new', () => {
  const log = new CommittedEntries();
  const first = entry(1, 1, 'a');
  assert.equal(log.add(first, 10), true);
  assert.equal(log.add(entry(1, 2, 'b'), 20), false);
  assert.equal(log.add(entry(2, 2), 30), true);
  assert.equal(log.entryAt(1), first);
  assert.equal(log.committedAtUs(1), 10);
  assert.equal(log.lastIndex, 2);
});

test('an index that nobody reported has neither entry nor time', () => {
  const log = new CommittedEntries();
  log.add(entry(3, 1), 10);
  assert.equal(log.entryAt(2), undefined);
  assert.equal(log.committedAtUs(2), undefined);
  assert.equal(log.entryAt(4), undefined);
  assert.equal(log.add(entry(2, 1), 20), true);
  assert.equal(log.lastIndex, 3);
});
