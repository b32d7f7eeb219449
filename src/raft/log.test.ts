import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryBytes, RaftLog } from './log.ts';
import { entry } from './testing.ts';
import { InvariantViolation, type SnapshotMeta } from './types.ts';

const snapshot = (index: number, term: number): SnapshotMeta => ({
  index,
  term,
  configuration: { voters: [1] },
});
const logOf = (...terms: number[]) =>
  new RaftLog(
    undefined,
    terms.map((term, position) => entry(position + 1, term)),
  );

test('indexes begin at 1, and before the first is the empty log of term 0', () => {
  const log = new RaftLog(undefined, []);
  assert.deepEqual(
    [log.firstIndex, log.lastIndex, log.lastTerm, log.termAt(0), log.termAt(1)],
    [1, 0, 0, 0, undefined],
  );
});

test('a gap or a falling term is refused', () => {
  assert.throws(() => logOf(1).append(entry(3, 1)), InvariantViolation);
  assert.throws(() => logOf(2).append(entry(2, 1)), InvariantViolation);
});

test('entries that a stored snapshot holds are dropped', () => {
  const log = new RaftLog(snapshot(2, 1), [entry(1, 1), entry(2, 1), entry(3, 2)]);
  assert.deepEqual([log.firstIndex, log.lastIndex, log.termAt(2), log.termAt(1)], [3, 3, 1, undefined]);
});

test('compaction drops what it may, and keeps the term before the first entry', () => {
  const log = logOf(1, 1, 2, 2, 3);
  log.compact(snapshot(4, 2), 3);
  assert.deepEqual([log.firstIndex, log.termAt(2), log.termAt(1), log.snapshot?.index], [3, 1, undefined, 4]);
  log.compact(snapshot(4, 2), 9);
  assert.deepEqual([log.firstIndex, log.lastIndex], [5, 5]);
  log.compact(snapshot(3, 2), 2);
  assert.deepEqual([log.firstIndex, log.snapshot?.index], [5, 4]);
});

test('truncation never reaches into what is compacted', () => {
  const log = logOf(1, 1, 1);
  log.compact(snapshot(2, 1), 3);
  assert.throws(() => log.truncateFrom(2), InvariantViolation);
  log.truncateFrom(3);
  assert.deepEqual([log.lastIndex, log.lastTerm], [2, 1]);
});

test('a message holds as many entries as fit, and one at least', () => {
  const log = logOf(1, 1, 1, 1);
  const size = entryBytes(entry(1, 1));
  assert.deepEqual(log.endWithin(2, 1), { to: 2, bytes: size });
  assert.deepEqual(log.endWithin(2, 2 * size), { to: 3, bytes: 2 * size });
  assert.deepEqual(log.endWithin(2, 100 * size), { to: 4, bytes: 3 * size });
  assert.deepEqual(log.endWithin(5, 100), { to: 4, bytes: 0 });
});

test('the last entry of at most a term is found, at worst the base', () => {
  const log = logOf(1, 1, 4, 4, 6);
  assert.deepEqual(
    [
      [9, 5],
      [5, 6],
      [4, 3],
      [5, 0],
    ].map(([index = 0, term = 0]) => log.lastWithTermAtMost(index, term)),
    [4, 5, 2, 0],
  );
});

test('only entries that are there can be taken out', () => {
  assert.deepEqual(logOf(1, 2).slice(2, 1), []);
  assert.throws(() => logOf(1, 2).slice(1, 3), InvariantViolation);
  assert.throws(() => logOf(1, 2).slice(0, 1), InvariantViolation);
});
