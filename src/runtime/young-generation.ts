import { availableParallelism } from 'node:os';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { regularly } from './regularly.ts';
import type { Timers } from './types.ts';

export interface YoungGenerationOptions {
  readonly timers: Timers;
  /** How often to look. Default: 5000. */
  readonly everyMs?: number;
}

/** What V8 begins with, and shrinks to by itself; more than this is left of a busier time, such as the start. */
const smallBytes = 4 * 1024 * 1024;
const defaultEveryMs = 5000;
/** Of its time, a loop that does no more than this is idle, and a collection then takes about a millisecond. */
const idleUtilization = 0.1;
/** V8 looks at how much was allocated in the last seconds; what it did not give back after so many looks stays. */
const fruitlessLooks = 10;

/** What V8 holds for young objects of this thread, used or not. */
export function youngGenerationBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;
}

/**
 * Lets V8 give back the room for young objects that a busier time needed. It does so only in a collection, and a process
 * that allocates next to nothing has none for many minutes: so collections of the young are asked for, one at each look,
 * while the loop is idle and that room is large. For the process as a whole, so for programs, not for libraries.
 */
export function releaseYoungGeneration({
  timers,
  everyMs = defaultEveryMs,
}: YoungGenerationOptions): Disposable {
  const collect = collector();
  let fruitless = 0;
  let last = performance.eventLoopUtilization();
  let lastBytes = 0;
  return regularly(timers, everyMs, () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    const bytes = youngGenerationBytes();
    if (bytes !== lastBytes) fruitless = 0;
    lastBytes = bytes;
    // Only looks that collected can be fruitless: a busy time may last for long.
    if (bytes > smallBytes && utilization < idleUtilization && fruitless < fruitlessLooks) {
      fruitless += 1;
      collect();
    }
  });
}

/** With more than this, helpers find one that is free. */
const fewProcessors = 4;

/**
 * Where processors are few, young objects are collected by the loop's own thread alone. V8 would share the work with
 * threads that must be scheduled first, and wait for all of them: on two busy processors a collection of 1.3 ms took 6.7 in
 * the mean and 129 at worst. For the process as a whole, so for programs, not for libraries.
 */
export function collectYoungAlone(processors: number = availableParallelism()): Disposable {
  if (processors <= fewProcessors) setFlagsFromString('--no-parallel-scavenge');
  return { [Symbol.dispose]: () => setFlagsFromString('--parallel-scavenge') };
}

/** A collection of young objects only. Where V8 gives none, nothing is done. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('typeof gc === "function" ? gc : undefined');
  return typeof collect === 'function' ? () => collect({ type: 'minor' }) : () => {};
}
