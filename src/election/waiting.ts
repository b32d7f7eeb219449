/** Waiting that can be aborted, and calls to a store that always come back. */
import { ConclaveError } from '../errors/index.ts';
import type { Random, Runtime } from '../runtime/types.ts';
import type { StoreCallOptions } from './store.ts';

/** Resolves after the time, or at once when a signal aborts. Never rejects. */
export function sleep(runtime: Runtime, delayMs: number, ...signals: readonly AbortSignal[]): Promise<void> {
  if (signals.some((signal) => signal.aborted)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel();
      for (const signal of signals) signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = runtime.timers.after(Math.max(0, delayMs), done);
    for (const signal of signals) signal.addEventListener('abort', done);
  });
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** Doubles with each attempt (0 is the first) up to the limit; jittered by half, so that clients spread out. */
export function backoffMs(random: Random, attempt: number, firstMs: number, mostMs: number): number {
  const fullMs = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 30));
  return fullMs * (0.5 + random.unit() / 2);
}

/** One signal that aborts with the first of several; `release` lets go of them. */
export function linkSignals(...signals: readonly (AbortSignal | undefined)[]): {
  readonly controller: AbortController;
  readonly signal: AbortSignal;
  release(): void;
} {
  const controller = new AbortController();
  const releases: (() => void)[] = [];
  for (const signal of signals) {
    if (signal === undefined) continue;
    if (signal.aborted) {
      controller.abort(signal.reason);
      break;
    }
    const abort = () => controller.abort(signal.reason);
    signal.addEventListener('abort', abort);
    releases.push(() => signal.removeEventListener('abort', abort));
  }
  return {
    controller,
    signal: controller.signal,
    release() {
      for (const release of releases) release();
    },
  };
}

export interface BoundedCall<T> {
  /** For messages: "Renewing the session". */
  readonly what: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Gets a value that came after the call was given up. */
  readonly onLate?: (value: T) => void;
}

/** A store that keeps its time gets to say why there is no answer; that time passed says little. */
const storesShare = 0.95;

/**
 * Calls a store and settles within the time even if the store never does. Given up: 'timeout' or 'aborted', both
 * with outcome 'unknown', since the request may have been carried out.
 */
export function callBounded<T>(
  runtime: Runtime,
  bounds: BoundedCall<T>,
  call: (options: StoreCallOptions) => Promise<T>,
): Promise<T> {
  const { what, timeoutMs, signal } = bounds;
  if (signal?.aborted) return Promise.reject(ConclaveError.aborted(what, signal));
  const link = linkSignals(signal);
  return new Promise<T>((resolve, reject) => {
    // Before all else: others may wait for what it does.
    const calling = startCall(call, { signal: link.signal, timeoutMs: timeoutMs * storesShare });
    let open = true;
    const close = () => {
      open = false;
      timer.cancel();
      link.release();
      signal?.removeEventListener('abort', onAbort);
    };
    const giveUp = (error: ConclaveError) => {
      if (!open) return;
      close();
      reject(error);
      link.controller.abort(error);
    };
    const timer = runtime.timers.after(timeoutMs, () =>
      giveUp(
        new ConclaveError('timeout', `${what} got no answer within ${Math.round(timeoutMs)} ms.`, {
          retryable: true,
          outcome: 'unknown',
        }),
      ),
    );
    const onAbort = () =>
      giveUp(
        new ConclaveError('aborted', `${what} was aborted by its signal.`, {
          outcome: 'unknown',
          cause: signal?.reason,
        }),
      );
    signal?.addEventListener('abort', onAbort);
    calling.then(
      (value) => {
        if (!open) return bounds.onLate?.(value);
        close();
        resolve(value);
      },
      (error: unknown) => {
        if (!open) return;
        close();
        reject(error);
      },
    );
  });
}

/** A store that throws instead of rejecting is taken as rejecting. */
async function startCall<T>(
  call: (options: StoreCallOptions) => Promise<T>,
  options: StoreCallOptions,
): Promise<T> {
  return await call(options);
}

const permanentCodes = new Set<string>([
  'invalid-argument',
  'failed-precondition',
  'unsupported',
  'too-large',
  'closed',
  'data-damaged',
  'data-incompatible',
]);

/** Whether trying again cannot help, so that the caller must hear of it. */
export function isPermanent(error: unknown): boolean {
  return ConclaveError.is(error) && !error.retryable && permanentCodes.has(error.code);
}
