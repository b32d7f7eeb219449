/** One wait for a turn at the store. */
import type { LiveSession } from './live-session.ts';
import type { SessionSettings } from './options.ts';
import type { AcquiredOutcome, AcquireOutcome } from './store.ts';
import { aborted, backoffMs, linkSignals, sleep } from './waiting.ts';

export interface Turn {
  readonly name: string;
  readonly outcome: AcquireOutcome & { readonly status: 'waiting' };
  /** How many waits in a row ended at once before this one. */
  readonly vainWakes: number;
}

export interface Waited<T> {
  /** The store saw that we lead. */
  readonly given?: AcquiredOutcome;
  /** What `meanwhile` came to, before our turn did. */
  readonly found?: T;
  /** It woke at once, as a store does whose hints are worth nothing; then it waits longer and longer. */
  readonly soon: boolean;
}

/** @param meanwhile something else that would end the wait; its signal aborts when the wait is over. */
export async function waitForTurn<T = never>(
  live: LiveSession,
  { runtime, ttlMs }: SessionSettings,
  { name, outcome, vainWakes }: Turn,
  signal: AbortSignal | undefined,
  meanwhile?: (signal: AbortSignal) => Promise<T>,
): Promise<Waited<T>> {
  const startMs = runtime.clock.monotonicMs();
  const link = linkSignals(signal, live.lost);
  // A lost wake-up must not cost more than a look now and then.
  const lookAgain = runtime.timers.after(2 * ttlMs, () => link.controller.abort());
  let isGiven = false;
  try {
    const turn = live.stored.waitForTurn(name, outcome, { signal: link.signal });
    const first = await firstOf<Waited<T> | undefined>(
      turn.then((given) => (given ? { given, soon: false } : undefined)),
      ...(meanwhile ? [meanwhile(link.signal).then((found) => ({ found, soon: false }))] : []),
      aborted(link.signal).then(() => undefined),
    );
    isGiven = first?.given !== undefined;
    if (first) return first;
  } catch (error) {
    if (!link.signal.aborted) throw error;
  } finally {
    lookAgain.cancel();
    // Without a reason one is made, with a stack, while somebody waits to lead. Where that one's turn came, the store waits
    // no longer, and where nothing else does either, it need not wait for this.
    if (!isGiven || meanwhile) link.controller.abort('the wait is over');
    link.release();
  }
  if (runtime.clock.monotonicMs() - startMs >= 50) return { soon: false };
  const stops = signal ? [signal, live.lost] : [live.lost];
  if (vainWakes >= 3) await sleep(runtime, backoffMs(runtime.random, vainWakes - 3, 5, 1000), ...stops);
  return { soon: true };
}

/** What of the others fails later has been handled. */
function firstOf<T>(...promises: readonly Promise<T>[]): Promise<T> {
  for (const promise of promises) promise.catch(() => {});
  return Promise.race(promises);
}
