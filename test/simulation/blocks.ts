// Blocks of seeds, lived on all cores, and what is demanded of each.
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { after, type TestContext } from 'node:test';
import {
  describeFailure,
  type LifeOptions,
  LifePool,
  liveBlock,
  replayCommand,
  Totals,
} from '../../src/simulation/index.ts';

/** How a checkout calls the command; a printed replay must work as it stands. */
export const program = 'node src/cli/main.ts';
const shownFailures = 3;
/** One for all tests of a file: each new thread has to compile everything again, which takes as long as several lives. */
const pool = new LifePool({ jobs: availableParallelism(), patienceMs: 120_000 });
after(() => pool[Symbol.asyncDispose]());

export interface BlockToLive {
  readonly life: Omit<LifeOptions, 'seed'>;
  readonly firstSeed: number;
  readonly seeds: number;
}

/** Lives the blocks one after the other; fails with the report of what failed, and where nothing was covered. */
export async function demandBlocks(context: TestContext, blocks: readonly BlockToLive[]): Promise<Totals> {
  const all = new Totals();
  const reports: string[] = [];
  for (const { life, firstSeed, seeds } of blocks) {
    const { totals, failures } = await liveBlock((options) => pool.run(options), {
      ...{ life, firstSeed, seeds, jobs: pool.jobs, keepGoing: true },
      onLived: (result) => all.add(result),
    });
    for (const failed of failures.slice(0, shownFailures)) {
      const options = { ...life, seed: failed.seed };
      const result = await pool.run({ ...options, keepTrace: true });
      reports.push(describeFailure(result.failure ? result : failed, replayCommand(options, program)));
    }
    const name = `${life.members} members, faults ${life.faults}, ${seeds} seeds from ${firstSeed} on`;
    const missing = totals.missing(life);
    if (missing.length > 0) reports.push(`${name}: saw no ${missing.join(', no ')}.`);
    context.diagnostic(`${name}: ${totals.faultsInjected} faults, ${totals.of('elections')} elections`);
  }
  assert.equal(
    reports.length,
    0,
    `${reports.length} of the lives or blocks failed.\n\n${reports.join('\n\n')}`,
  );
  return all;
}
