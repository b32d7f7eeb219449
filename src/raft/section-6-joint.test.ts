import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { liveJointChanges } from './testing/joint-changes.ts';

/** SEED and RUNS choose other histories. */
const seed = Number(process.env.SEED ?? 1);
const numRuns = Number(process.env.RUNS ?? 60);

test('§6: neither majority decides alone, whatever joint changes follow each other and whoever is parted from whom', () => {
  let joint = 0;
  let elections = 0;
  const history = fc.property(fc.nat(), (drawn) => {
    const lived = liveJointChanges(drawn);
    joint += lived.joint;
    elections += lived.elections;
    assert.equal(lived.broken, undefined);
  });
  fc.assert(history, { seed, numRuns });
  assert.ok(joint > numRuns && elections > 5 * numRuns, `${joint} joint, ${elections} elections`);
});
