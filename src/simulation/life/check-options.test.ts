import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import { runLife } from './life.ts';
import type { LifeOptions } from './types.ts';

const refused: readonly [unknown, RegExp][] = [
  [undefined, /takes an object with a seed/],
  [{}, /needs a seed/],
  [{ seed: -1 }, /seed -1; it must be a whole number/],
  [{ seed: 1.5 }, /seed 1.5/],
  [{ seed: 1, seconds: -3 }, /seconds -3/],
  [{ seed: 1, members: 0 }, /members 0; it must be a whole number from 1/],
  [{ seed: 1, faults: 'fast' }, /faults "fast"; it must be one of none, network/],
  [{ seed: 1, only: 3 }, /only 3; it must be an array/],
  [{ seed: 1, second: 2 }, /knows no option second/],
  [
    { seed: 1, seconds: 1, faults: 'none', only: [999] },
    /only fault 999 strikes, but the life has no faults/,
  ],
];

for (const [options, message] of refused) {
  test(`a life with ${JSON.stringify(options)} is refused rather than lived otherwise`, async () => {
    await assert.rejects(runLife(options as LifeOptions), (error) => {
      assert.ok(ConclaveError.is(error, 'invalid-argument'));
      assert.match(error.message, message);
      return true;
    });
  });
}
