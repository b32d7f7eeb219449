import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leasesChecker } from './18-leases.ts';
import { oneHolderChecker } from './21-one-holder.ts';
import { fencingChecker } from './22-fencing.ts';
import { electionsCompleteChecker } from './elections-complete.ts';
import { graceKeptChecker } from './grace-kept.ts';
import { ElectionReports } from './reports.ts';
import { Stage } from './stage.ts';
import { tokensRiseChecker } from './tokens-rise.ts';
import { CandidateWorkload } from './workload.ts';

/** A life in which candidates are killed and paused at random, then healed. */
async function live(seed: number): Promise<{ stage: Stage; reports: ElectionReports }> {
  const stage = new Stage({ seed });
  const { world } = stage;
  const reports = new ElectionReports(world);
  const workload = new CandidateWorkload({
    world,
    reports,
    random: world.random('candidates'),
    clockDriftRate: stage.clockDriftRate,
    endpoints: stage.endpoints,
    transport: (runtime) => stage.transport(runtime),
    attach: (process) => stage.attach(process),
    sharedDisk: (process) => stage.shared.of(process),
    leaseUsers: 2,
  });
  stage.check(
    leasesChecker(reports),
    oneHolderChecker(reports),
    fencingChecker(reports),
    tokensRiseChecker(reports),
    graceKeptChecker(reports),
    electionsCompleteChecker(reports, workload),
  );
  const faults = world.random('faults');
  workload.start();
  for (let round = 0; round < 30; round++) {
    await stage.run(faults.between(100, 1500));
    const subject = faults.pick(workload.subjects);
    const { process } = subject;
    if (faults.chance(0.4)) subject.kill();
    else if (process !== undefined) {
      process.pause();
      await stage.run(faults.between(20, 3000));
      process.resume();
    }
    if (faults.chance(0.7)) subject.start();
  }
  workload.heal();
  await stage.run(CandidateWorkload.limitMs, () => workload.finished);
  stage.ended();
  return { stage, reports };
}

test('candidates that are killed and paused keep all claims, and all of it takes place', async () => {
  const sum: Record<string, number> = {};
  for (const seed of [1, 2, 3]) {
    const { reports } = await live(seed);
    for (const [what, count] of Object.entries(reports.counts)) sum[what] = (sum[what] ?? 0) + count;
  }
  for (const [what, count] of Object.entries(sum)) {
    // Too rare for so few lives: the race shows it.
    if (what !== 'staleWritesTaken') assert.ok(count > 0, `no ${what}`);
  }
});

test('a life is the same whenever it is run with one seed', async () => {
  const [one, other] = [await live(4), await live(4)];
  assert.equal(one.stage.world.trace.hash, other.stage.world.trace.hash);
  assert.deepEqual(one.reports.counts, other.reports.counts);
});
