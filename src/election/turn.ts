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

/**
 * `given`: the store saw that we lead. `soon`: it woke at once, as a store does whose hints are worth nothing;
 * then it waits longer and longer.
 */
export async function waitForTurn(
  live: LiveSession,
  { runtime, ttlMs }: SessionSettings,
  { name, outcome, vainWakes }: Turn,
  signal: AbortSignal,
): Promise<{ readonly given?: AcquiredOutcome; readonly soon: boolean }> {
  const startMs = runtime.clock.monotonicMs();
  const link = linkSignals(signal, live.lost);
  // A lost wake-up must not cost more than a look now and then.
  const lookAgain = runtime.timers.after(2 * ttlMs, () => link.controller.abort());
  try {
    const turn = live.stored.waitForTurn(name, outcome, { signal: link.signal });
    turn.catch(() => {});
    const given = await Promise.race([turn, aborted(link.signal)]);
    if (given) return { given, soon: false };
  } catch (error) {
    if (!link.signal.aborted) throw error;
  } finally {
    lookAgain.cancel();
    link.controller.abort();
    link.release();
  }
  if (runtime.clock.monotonicMs() - startMs >= 50) return { soon: false };
  if (vainWakes >= 3)
    await sleep(runtime, backoffMs(runtime.random, vainWakes - 3, 5, 1000), signal, live.lost);
  return { soon: true };
}
