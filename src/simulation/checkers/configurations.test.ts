import assert from 'node:assert/strict';
import { test } from 'node:test';
import { change, changingLife, entry } from './testing.ts';

test('the last configuration in a log is in force, and goes with a truncation', () => {
  const { ann, configurations } = changingLife();
  ann.holds(entry(1, 1), change(2, 1, [1, 2]), entry(3, 1));
  configurations.started(ann);
  assert.deepEqual(configurations.of(ann), { index: 2, term: 1, configuration: { voters: [1, 2] } });
  ann.holds(entry(1, 1));
  configurations.started(ann);
  assert.deepEqual(configurations.of(ann).configuration, { voters: [1, 2, 3] });
});
