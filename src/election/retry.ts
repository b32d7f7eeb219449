/** Repeats an idempotent call on a session until it is answered. */
import { ConclaveError } from '../errors/index.ts';
import { publish } from './events.ts';
import type { LiveSession } from './live-session.ts';
import type { SessionSettings } from './options.ts';
import type { LeaseStore, StoreCallOptions } from './store.ts';
import { backoffMs, isPermanent, sleep } from './waiting.ts';

export interface RetryOptions {
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  /** Gives up after this long. */
  readonly maxMs: number;
}

/**
 * undefined: the session was lost, the signal aborted, or the time is over; whether the call took effect is then
 * unknown. `ambiguous`: an earlier try may have taken effect. Throws only what trying again cannot cure, and
 * 'target-not-waiting'.
 */
export async function retryOnSession<T>(
  on: { readonly store: LeaseStore; readonly live: LiveSession; readonly settings: SessionSettings },
  { what, signal, maxMs }: RetryOptions,
  call: (options: StoreCallOptions) => Promise<T>,
): Promise<{ readonly value: T; readonly ambiguous: boolean } | undefined> {
  const { runtime, holder, onEvent, renewEveryMs } = on.settings;
  const startMs = runtime.clock.monotonicMs();
  const signals = signal === undefined ? [on.live.lost] : [on.live.lost, signal];
  let ambiguous = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return { value: await on.live.call(what, signal, call), ambiguous };
    } catch (error) {
      if (ConclaveError.is(error, 'lease-lost')) {
        on.live.lose('lease-lost');
        return undefined;
      }
      if (signals.some((one) => one.aborted)) return undefined;
      if (ConclaveError.is(error, 'target-not-waiting') || isPermanent(error)) throw error;
      if (runtime.clock.monotonicMs() - startMs >= maxMs) return undefined;
      if (!ConclaveError.is(error) || error.outcome === 'unknown') ambiguous = true;
      const retryInMs = backoffMs(runtime.random, attempt - 1, renewEveryMs / 20, renewEveryMs / 2);
      publish(
        { type: 'trouble', holder, store: on.store.description, what, error, attempt, retryInMs },
        onEvent,
      );
      await sleep(runtime, retryInMs, ...signals);
      if (signals.some((one) => one.aborted)) return undefined;
    }
  }
}
