// Members that compare themselves with each other all the time, under every fault: none may be taken for another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFailure, type LifeOptions, replayCommand, runLife } from '../../src/simulation/index.ts';
import { program } from './blocks.ts';

for (const [seed, members] of [
  [100, 5],
  [105, 3],
  [109, 3],
] as const) {
  test(`no member of life ${seed} is found to differ`, { timeout: 300_000 }, async () => {
    const life: LifeOptions = { seed, members, seconds: 10, compareEveryMs: 200 };
    const result = await runLife(life);
    assert.equal(result.failure, undefined, describeFailure(result, replayCommand(life, program)));
  });
}
