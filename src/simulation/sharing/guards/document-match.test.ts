import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches, updated } from './document-match.ts';

const document = { _id: 'a', fence: { token: 5, election: 'jobs' }, entries: ['x'] };

test('filters meet documents by paths, operators and alternatives', () => {
  assert.ok(matches(document, { _id: 'a', 'fence.token': { $lte: 5 } }));
  assert.ok(!matches(document, { 'fence.token': { $lte: 4 } }));
  assert.ok(!matches(document, { 'fence.token': { $lt: 5 } }));
  assert.ok(matches(document, { 'fence.election': { $in: ['jobs', '', null] } }));
  assert.ok(
    matches({ _id: 'a' }, { 'fence.election': { $in: ['jobs', '', null] } }),
    'what is missing is null',
  );
  assert.ok(!matches({ _id: 'a' }, { 'fence.token': { $lte: 5 } }), 'what is missing is no number');
  assert.ok(matches({ _id: 'a' }, { fence: { $exists: false } }));
  assert.ok(matches(document, { $or: [{ _id: 'b' }, { 'fence.token': 5 }] }));
  assert.ok(!matches(document, { $or: [{ _id: 'b' }] }));
});

test('updates make another document, also where their paths are new', () => {
  const after = updated(
    { _id: 'a' },
    { $set: { 'fence.token': 6 }, $inc: { 'fence.version': 1 }, $push: { entries: 'y' } },
  );
  assert.deepEqual(after, { _id: 'a', fence: { token: 6, version: 1 }, entries: ['y'] });
  assert.deepEqual(updated(document, { $push: { entries: 'y' } }).entries, ['x', 'y']);
  assert.deepEqual(document.entries, ['x']);
});

test('operators that it does not know are refused', () => {
  assert.throws(() => matches(document, { 'fence.token': { $gte: 1 } }), /does not know \$gte/);
  assert.throws(() => updated(document, { $unset: { entries: '' } }), /does not know \$unset/);
});
