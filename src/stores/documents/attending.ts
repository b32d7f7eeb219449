/** One who waits for an election to change: what it was shown last, and how it is woken. */
import type { Timers } from '../../runtime/types.ts';
import type { Led } from './driver.ts';
import type { FoundElection } from './elections.ts';

export interface Look {
  readonly found: FoundElection;
  /** Sessions in it that are over. */
  readonly dead: ReadonlySet<string>;
  /** As it is shown. */
  readonly version: number;
}

export interface Attending {
  /** Whose turn it is that it waits for, if it does. */
  readonly session: string | undefined;
  /** What the service told of that session since. */
  led: Led | undefined;
  latest: Look | undefined;
  /** A change that nobody has been told of. */
  news: boolean;
  trouble: unknown;
  wake: (() => void) | undefined;
}

/** Resolves when a look shows another thing, or at once if one has since the last call; false: the time is over. */
export async function changed(
  timers: Timers,
  attending: Attending,
  signal: AbortSignal,
  withinMs?: number,
): Promise<boolean> {
  if (!attending.news && attending.trouble === undefined && !signal.aborted) {
    await new Promise<void>((resolve) => {
      const timer = withinMs === undefined ? undefined : timers.after(withinMs, () => done());
      const done = () => {
        timer?.cancel();
        signal.removeEventListener('abort', done);
        attending.wake = undefined;
        resolve();
      };
      attending.wake = done;
      signal.addEventListener('abort', done);
    });
  }
  const { news, trouble } = attending;
  attending.news = false;
  attending.trouble = undefined;
  if (trouble !== undefined) throw trouble;
  return news;
}

/** What went wrong, to all of them. */
export function tellTrouble(
  { attending }: { readonly attending: Iterable<Attending> },
  trouble: unknown,
): void {
  for (const one of attending) {
    one.trouble = trouble;
    one.wake?.();
  }
}

/** To who waits for this turn. */
export function tellTurn({ attending }: { readonly attending: Iterable<Attending> }, led: Led): void {
  for (const one of attending) {
    if (one.session !== led.session) continue;
    one.led = led;
    one.news = true;
    one.wake?.();
  }
}
