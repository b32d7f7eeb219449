/**
 * A runtime for tests: time moves only when told to, randomness is seeded, disk and network are in memory and can
 * be made to fail. Import it from this path; it is no part of `index.ts`.
 *
 * Guarantees: no timer of the host is used, so a test takes no longer than its work; the same calls with the same
 * seed give the same results.
 *
 * Must not: be used outside of tests.
 */

import { ManualClock } from './testing/clock.ts';
import { MemoryDisk } from './testing/disk.ts';
import { MemoryNetwork } from './testing/network.ts';
import { SeededRandom } from './testing/random.ts';
import { Turns } from './testing/turns.ts';
import type { Runtime } from './types.ts';
import { ImmediateKeyDerivation } from './virtual/index.ts';

export { ManualClock } from './testing/clock.ts';
export { type CrashOptions, MemoryDisk } from './testing/disk.ts';
export { MemoryNetwork } from './testing/network.ts';
export { SeededRandom } from './testing/random.ts';
export type { DiskOperation, FailureOptions } from './virtual/failures.ts';

export interface ManualRuntimeOptions {
  /** What the monotonic clock shows first. Default 0. */
  readonly startMs?: number;
  /** What the wall clock shows first. Default 2025-01-01. */
  readonly startWallMs?: number;
  /** Default 1. */
  readonly seed?: number;
}

export interface ManualRuntime extends Runtime {
  readonly clock: ManualClock;
  readonly timers: ManualClock;
  readonly random: SeededRandom;
  readonly disk: MemoryDisk;
  readonly network: MemoryNetwork;
  /**
   * Moves time on, firing timers in the order of their times, and lets everything they set off run to its end.
   * `advance(0)` only does the latter.
   */
  advance(ms: number): Promise<void>;
  /** Another host: the same time and network; a disk and randomness of its own. */
  another(seed: number): ManualRuntime;
}

export function manualRuntime(options: ManualRuntimeOptions = {}): ManualRuntime {
  const turns = new Turns();
  const random = new SeededRandom(options.seed ?? 1);
  const clock = new ManualClock(turns, options.startMs ?? 0, options.startWallMs ?? Date.UTC(2025, 0, 1));
  return build(clock, new MemoryNetwork(turns, clock, random), random, turns);
}

function build(
  clock: ManualClock,
  network: MemoryNetwork,
  random: SeededRandom,
  turns: Turns,
): ManualRuntime {
  return {
    clock,
    timers: clock,
    random,
    network,
    disk: new MemoryDisk({ random, turns }),
    keyDerivation: new ImmediateKeyDerivation(),
    advance: (ms) => clock.advance(ms),
    another: (seed) => build(clock, network, new SeededRandom(seed), turns),
  };
}

/** Moves time on until the promise has settled, and gives what it gave. @throws what it threw; Error where it never settles. */
export async function settle<T>(runtime: ManualRuntime, promise: Promise<T>, stepMs = 10): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  for (let step = 0; step < 5000 && !settled; step++) await runtime.advance(step === 0 ? 0 : stepMs);
  if (!settled) throw new Error('It never settled.');
  return await promise;
}
