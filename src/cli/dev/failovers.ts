import { formatDuration } from '../durations.ts';
import type { Failover } from './model.ts';

/** Begins with the fault. `above`: only a higher term or token ends it. */
export function failoverFrom(
  of: Failover['of'],
  cause: Failover['cause'],
  from: string,
  above: number,
  startMs: number,
): Failover {
  return { of, cause, from, above, startMs, endMs: undefined, to: undefined };
}

/** Ends the failovers that this new term or token answers; the text says how long the latest of them took. */
export function completed(
  failovers: readonly Failover[],
  of: Failover['of'],
  reached: number,
  to: string,
  endMs: number,
): { failovers: Failover[]; elapsed: string } {
  let elapsed = '';
  const next = failovers.map((failover) => {
    if (failover.of !== of || failover.endMs !== undefined || reached <= failover.above) return failover;
    elapsed = `, ${formatDuration(endMs - failover.startMs)} after ${failover.from} was ${failover.cause}`;
    return { ...failover, endMs, to };
  });
  return { failovers: next, elapsed };
}
