import { ConclaveError } from '../errors/index.ts';
import { pause as pauseOn } from '../runtime/pause.ts';
import type { Runtime } from '../runtime/types.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** For the call with all its retries. Default: the client's `timeoutMs`. */
  readonly timeoutMs?: number;
}

/** `callback` gets control when `delayMs` have passed or the signal aborts, whichever is first. */
export function pause(runtime: Runtime, delayMs: number, signal?: AbortSignal): Promise<void> {
  return pauseOn(runtime.timers, delayMs, signal);
}

/** Waits for a shared promise with a caller's own signal and time. The promise itself goes on. */
export function waitWithin<T>(
  runtime: Runtime,
  promise: Promise<T>,
  what: string,
  options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs: number },
): Promise<T> {
  const { signal, timeoutMs } = options;
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) {
      promise.catch(() => {});
      reject(ConclaveError.aborted(what, signal));
      return;
    }
    const leave = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', abort);
    };
    const abort = (): void => {
      leave();
      reject(ConclaveError.aborted(what, signal));
    };
    const timer = runtime.timers.after(timeoutMs, () => {
      leave();
      reject(
        new ConclaveError('timeout', `${what} did not finish within ${Math.round(timeoutMs)} ms.`, {
          retryable: true,
        }),
      );
    });
    signal?.addEventListener('abort', abort, { once: true });
    promise.then(
      (value) => {
        leave();
        resolve(value);
      },
      (error: unknown) => {
        leave();
        reject(error);
      },
    );
  });
}

/** Grows from `firstMs` by doubling to `mostMs`, each wait drawn from the upper half of its step. */
export class Backoff {
  readonly #runtime: Runtime;
  readonly #firstMs: number;
  readonly #mostMs: number;
  #stepMs: number;

  constructor(runtime: Runtime, firstMs: number, mostMs: number) {
    this.#runtime = runtime;
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
    this.#stepMs = firstMs;
  }

  nextMs(): number {
    const step = this.#stepMs;
    this.#stepMs = Math.min(this.#mostMs, step * 2);
    return step / 2 + (step / 2) * this.#runtime.random.unit();
  }

  reset(): void {
    this.#stepMs = this.#firstMs;
  }
}
