/** Waiting that ends with 'timeout' after a time that the caller chose. */
import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { checkRange } from './options.ts';
import { linkSignals } from './waiting.ts';

export interface WaitLimit {
  readonly signal?: AbortSignal | undefined;
  readonly waitMs?: number | undefined;
}

/** `wait` must end with an error when its signal aborts. @throws 'invalid-argument' before it is called. */
export async function waitAtMost<T>(
  runtime: Runtime,
  what: string,
  { signal, waitMs }: WaitLimit,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (waitMs !== undefined) checkWait(waitMs);
  const link = linkSignals(signal);
  let isOver = false;
  const onTime = () => {
    isOver = true;
    link.controller.abort();
  };
  const timer = waitMs === undefined ? undefined : runtime.timers.after(waitMs, onTime);
  try {
    return await wait(link.signal);
  } catch (error) {
    if (!isOver || !ConclaveError.is(error, 'aborted')) throw error;
    const message = `Waiting for ${what} took longer than ${waitMs} ms; nothing is held.`;
    throw new ConclaveError('timeout', message, { retryable: true, outcome: error.outcome });
  } finally {
    timer?.cancel();
    link.release();
  }
}

export function checkWait(waitMs: number): void {
  checkRange('waitMs', waitMs, Number.MIN_VALUE, 86_400_000);
}
