import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { regularly } from './regularly.ts';
import type { Timers } from './types.ts';

export interface OldGenerationOptions {
  readonly timers: Timers;
  /** How often to look. Default: 5000. */
  readonly everyMs?: number;
}

/** In percent of what survived the last full collection, what may be allocated until the next one. */
const roomPercent = 400;
/** With more objects than this, their collection is left to V8's own reckoning: so much room for each would be too much. */
const mostBytes = 64 * 1024 * 1024;
const defaultEveryMs = 5000;

/**
 * Fewer full collections. V8 reckons when the next one is due by what lies in its heap, some 20 MB in a member, and counts
 * against that what lies outside of it: keys, values, log entries, frames. So buffers of some 40 MB, a second of full load
 * or less, brought a full collection, which finds next to nothing to free in the heap. With more room there are far fewer.
 * For the process as a whole, so for programs, not for libraries.
 */
export function rarelyCollectAll({ timers, everyMs = defaultEveryMs }: OldGenerationOptions): Disposable {
  let roomy = false;
  const look = (): void => {
    const small = getHeapStatistics().used_heap_size <= mostBytes;
    if (small !== roomy) setFlagsFromString(`--heap-growing-percent=${small ? roomPercent : 0}`);
    roomy = small;
  };
  look();
  const looking = regularly(timers, everyMs, look);
  return {
    [Symbol.dispose]: () => {
      looking[Symbol.dispose]();
      setFlagsFromString('--heap-growing-percent=0');
    },
  };
}
