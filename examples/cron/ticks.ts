/** The ticks of a schedule, each named by its time: every process that asks gets the same names. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface TickOptions {
  readonly everyMs: number;
  /** How far back a process that was busy or paused catches up. Stay well below the `retainMs` of what runs. */
  readonly catchUpMs: number;
  readonly signal: AbortSignal;
}

/** From the present tick on, each when it is due, in order; one that was missed comes late, rather than never. */
export async function* ticks({
  everyMs,
  catchUpMs,
  signal,
}: TickOptions): AsyncGenerator<string, void, void> {
  let next = Math.floor(Date.now() / everyMs) * everyMs;
  while (!signal.aborted) {
    const waitMs = next - Date.now();
    if (waitMs > 0) {
      await sleep(waitMs, undefined, { signal }).catch(() => {});
      continue; // A clock may have been set back meanwhile.
    }
    if (-waitMs > catchUpMs) next = Math.floor((Date.now() - catchUpMs) / everyMs) * everyMs;
    yield new Date(next).toISOString();
    next += everyMs;
  }
}
