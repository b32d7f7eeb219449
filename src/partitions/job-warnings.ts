/** Jobs that throw where nobody asked to hear of it: the process warns, as Node does of a promise that nobody handles. */
import { emitWarning } from 'node:process';
import type { Leadership } from '../election/index.ts';
import type { Clock } from '../runtime/types.ts';

/** Thousands of partitions may fail of one cause. */
const everyMs = 1000;

/** For `onJobError`: at most one warning a second, which says how many more there were. */
export function jobWarnings(name: string, clock: Clock) {
  let lastMs = Number.NEGATIVE_INFINITY;
  let untold = 0;
  return (error: unknown, { token }: Leadership, partition: string): void => {
    const nowMs = clock.monotonicMs();
    if (nowMs - lastMs < everyMs) {
      untold += 1;
      return;
    }
    lastMs = nowMs;
    const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const more = untold === 0 ? '' : ` (${untold} more have failed since the last warning.)`;
    untold = 0;
    emitWarning(
      `The job of partition ${JSON.stringify(partition)} of ${JSON.stringify(name)} (token ${token}) threw: ${what}. It is led and run again; onJobError or onEvent would hear of it instead of this warning.${more}`,
      {
        type: 'ConclaveWarning',
        code: 'CONCLAVE_PARTITION_JOB_FAILED',
        ...(error instanceof Error && error.stack !== undefined && { detail: error.stack }),
      },
    );
  };
}
