// Seeds that nobody has lived before. The first one is printed, so that what fails here can be lived again.
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { demandBlocks } from './blocks.ts';

const seeds = { 3: 10, 5: 4 } as const;
const patience = { timeout: 540_000 };

test('every claim holds in fresh lives under all faults', patience, async (context) => {
  const firstSeed = randomInt(2 ** 32);
  context.diagnostic(`simulation: the fresh lives begin with seed ${firstSeed}`);
  await demandBlocks(context, [
    { life: { faults: 'all', members: 3, seconds: 30 }, firstSeed, seeds: seeds[3] },
    { life: { faults: 'all', members: 5, seconds: 30 }, firstSeed, seeds: seeds[5] },
  ]);
});
