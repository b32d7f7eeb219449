import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryFileData } from '../../runtime/virtual/index.ts';
import { BatchesRead, type BatchRead } from './batches-read.ts';

const salt = 7;

function batch(start: number, end: number): BatchRead {
  return { start, end, salt, seals: false, records: [] };
}

describe('The batches that were read of a platter', () => {
  test('are found by where they begin, in their file and under their salt', () => {
    const known = new BatchesRead();
    const file = new MemoryFileData();
    const batches = [batch(10, 20), batch(20, 50), batch(50, 51)];
    for (const each of batches) known.add(file, each);
    for (const each of batches) assert.equal(known.find(file, each.start, salt), each);
    assert.equal(known.find(file, 15, salt), undefined);
    assert.equal(known.find(file, 51, salt), undefined);
    assert.equal(known.find(file, 20, salt + 1), undefined);
    assert.equal(known.find(new MemoryFileData(), 20, salt), undefined);
  });

  test('are unknown again from the first on whose bytes changed', () => {
    const known = new BatchesRead();
    const file = new MemoryFileData();
    const [first, second, third] = [batch(10, 20), batch(20, 50), batch(50, 60)];
    for (const each of [first, second, third]) known.add(file, each);
    known.changed(file, 60);
    assert.equal(known.find(file, 50, salt), third);
    known.changed(file, 49);
    assert.equal(known.find(file, 50, salt), undefined);
    assert.equal(known.find(file, 20, salt), undefined);
    assert.equal(known.find(file, 10, salt), first);
    known.forget();
    assert.equal(known.find(file, 10, salt), undefined);
  });
});
