import type { Timers } from './types.ts';

/** Resolves after the time, or at once when the signal aborts; never rejects. `background`: holds no process up. */
export function pause(
  timers: Timers,
  delayMs: number,
  signal?: AbortSignal,
  options: { readonly background?: boolean } = {},
): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = timers.after(delayMs, done, options);
    signal?.addEventListener('abort', done);
  });
}
