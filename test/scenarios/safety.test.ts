import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RaftOptions } from '../../src/raft/index.ts';
import { type Faults, World } from './world.ts';

const quiet: Faults = {
  drop: 0,
  duplicate: 0,
  crash: 0,
  restart: 0.05,
  cut: 0,
  isolate: 0,
  heal: 0.02,
  disconnect: 0,
  stall: 0,
  holdDisk: 0,
};
const everything: Faults = {
  drop: 0.05,
  duplicate: 0.05,
  crash: 0.006,
  restart: 0.05,
  cut: 0.006,
  isolate: 0.003,
  heal: 0.02,
  disconnect: 0.01,
  stall: 0.01,
  holdDisk: 0.02,
};

const settings: { name: string; members: number; faults: Faults; raft: Partial<RaftOptions> }[] = [
  { name: 'lossy links', members: 3, faults: { ...quiet, drop: 0.2, duplicate: 0.2 }, raft: {} },
  { name: 'crashes and slow disks', members: 3, faults: { ...quiet, crash: 0.01, holdDisk: 0.05 }, raft: {} },
  { name: 'cut and broken links', members: 5, faults: { ...quiet, cut: 0.03, disconnect: 0.05 }, raft: {} },
  { name: 'everything at once', members: 3, faults: everything, raft: {} },
  {
    name: 'everything at once',
    members: 5,
    faults: everything,
    raft: { maxAppendBytes: 100, maxInflightAppends: 3 },
  },
  {
    name: 'everything at once',
    members: 4,
    faults: everything,
    raft: { electionTimeoutMs: 60, heartbeatIntervalMs: 15 },
  },
  {
    name: 'isolated leaders that read by their lease',
    members: 3,
    faults: { ...quiet, isolate: 0.01, cut: 0.02, crash: 0.02, restart: 0.5, heal: 0.01 },
    raft: { leaseReads: true, electionTimeoutMs: 100, clockDriftRate: 0.05 },
  },
];
const seeds = Number(process.env.SEEDS ?? 4);
const firstSeed = Number(process.env.SEED ?? 1);
const steps = 1500;

for (const { name, members, faults, raft } of settings) {
  const options = Object.keys(raft).length > 0 ? ` with ${JSON.stringify(raft)}` : '';
  test(`every invariant holds among ${members} members through ${name}${options}, and progress returns`, () => {
    for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
      const world = new World({ seed, members, faults, raft });
      try {
        for (let step = 0; step < steps; step += 1) world.step();
        assertProgress(world);
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
}

/** After healing: a leader, a fresh write acknowledged, everybody has it, and reads are answered. */
function assertProgress(world: World): void {
  world.heal();
  const before = world.invariants.committedIndex;
  const readsBefore = world.invariants.readsChecked;
  for (let step = 0; step < 6000; step += 1) {
    world.step();
    const goal = world.invariants.committedIndex;
    if (goal < before + 20 || world.invariants.readsChecked < readsBefore + 20) continue;
    if ([...world.members.values()].every(({ appliedIndex }) => appliedIndex > before)) return;
  }
  assert.fail(
    `no progress after healing: leader ${world.leader()?.id}, ${before} to ${world.invariants.committedIndex}`,
  );
}
