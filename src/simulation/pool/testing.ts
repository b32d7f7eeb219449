// A runner for the tests of the pool, loaded by its threads: what a seed does is in its number.
import type { LifeOptions } from '../life/types.ts';
import { fakeResult } from '../report/testing.ts';

export const badSeeds = { throws: 13, rejects: 14, exits: 15, hangs: 16, breaksClaim: 17, waits: 18 };

export async function runLife(options: LifeOptions) {
  const { seed } = options;
  if (seed === badSeeds.throws) throw new TypeError('no such thing');
  if (seed === badSeeds.rejects) void Promise.reject(new RangeError('left alone'));
  if (seed === badSeeds.exits) process.exit(3);
  while (seed === badSeeds.hangs);
  if (seed === badSeeds.waits) await new Promise(() => {});
  const fails = seed === badSeeds.breaksClaim;
  return fakeResult(options, fails ? { checker: 'planted' } : undefined);
}
