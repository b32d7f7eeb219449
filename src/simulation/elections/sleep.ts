import type { Runtime } from '../../runtime/types.ts';

/** Resolves after so long by the process's own clock, or when the signal aborts. Never, where the process dies. */
export function sleep(runtime: Runtime, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = runtime.timers.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
