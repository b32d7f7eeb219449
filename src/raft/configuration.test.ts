import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ConfigurationHistory,
  configurationOf,
  decodeConfiguration,
  encodeConfiguration,
} from './configuration.ts';
import type { Entry } from './types.ts';
import { InvariantViolation } from './types.ts';

const change = (index: number, ...voters: number[]): Entry => ({
  index,
  term: 1,
  kind: 'configuration',
  data: encodeConfiguration({ voters }),
});

const ids = (least: number) =>
  fc.uniqueArray(
    fc.maxSafeNat().filter((id) => id > 0),
    { minLength: least, maxLength: 9 },
  );

test('a configuration reads back as it was written, ids up to 53 bits', () => {
  const parts = fc.record({
    voters: ids(1),
    outgoing: ids(0),
    learners: ids(0),
    context: fc.uint8Array({ maxLength: 50 }),
  });
  fc.assert(
    fc.property(parts, ({ voters, outgoing, learners, context }) => {
      const rest = learners.filter((learner) => !voters.includes(learner));
      const written = configurationOf({ voters, outgoing, learners: rest, context });
      assert.deepEqual(decodeConfiguration(encodeConfiguration(written)), written);
    }),
  );
});

test('an entry of format 1, which had voters alone, reads as ever', () => {
  const data = Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3);
  assert.deepEqual(decodeConfiguration(data), { voters: [2 ** 32 + 2, 3] });
});

test('damaged bytes are refused', () => {
  const good = encodeConfiguration({ voters: [1, 2] });
  const otherVersion = Uint8Array.from(good, (byte, position) => (position === 0 ? 9 : byte));
  for (const bad of [
    new Uint8Array(0),
    good.slice(0, 4),
    good.slice(0, -1),
    Uint8Array.from([...good, 0]),
    otherVersion,
    encodeConfiguration({ voters: [] }),
    encodeConfiguration({ voters: [1], learners: [1] }),
  ]) {
    assert.throws(() => decodeConfiguration(bad), InvariantViolation);
  }
});

test('a configuration that names a member twice, or no proper id, is refused', () => {
  for (const voters of [[1, 1], [0], [-1], [1.5]]) {
    assert.throws(() => new ConfigurationHistory({ voters }, undefined, []), InvariantViolation);
  }
});

test('the latest in the log is in force, a truncation brings back the one before, a snapshot stands for what it holds', () => {
  const history = new ConfigurationHistory({ voters: [1] }, undefined, [change(3, 1, 2)]);
  assert.deepEqual(history.current.voters, [1, 2]);
  history.append(change(5, 1, 2, 3));
  history.truncateFrom(5);
  assert.deepEqual(history.current.voters, [1, 2]);
  history.append(change(6, 1, 2, 4));
  history.rebase({ index: 5, term: 1, configuration: { voters: [1, 2] } });
  assert.deepEqual(history.current.voters, [1, 2, 4]);
  history.truncateFrom(6);
  assert.deepEqual(history.current.voters, [1, 2]);
});

test('a snapshot of our own log leaves the configuration the index that changes are planned by', () => {
  const history = new ConfigurationHistory({ voters: [1] }, undefined, [change(3, 1, 2)]);
  const { configuration } = history.latest;
  history.rebase({ index: 9, term: 1, configuration });
  assert.equal(history.latest.index, 3);
  history.rebase({ index: 12, term: 1, configuration: { voters: [1, 2] } });
  assert.equal(history.latest.index, 12, 'of a snapshot from a leader only its end is known');
});
