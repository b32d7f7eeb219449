/** Waiting that ends with 'timeout' after a time that the caller chose. */
import { ConclaveError } from '../errors/index.ts';
import { shown } from '../errors/option-names.ts';
import type { Runtime } from '../runtime/types.ts';
import type { Session } from './session.ts';
import { linkSignals } from './waiting.ts';

export interface WaitLimit {
  /** Gives up waiting. Does not end what is held. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Gives up waiting after this long, with 'timeout', whose `cause` is what failed last at the store, if anything did.
   * More than 0, at most 86400000; default: never, also while the store cannot be reached.
   */
  readonly waitMs?: number | undefined;
}

/**
 * `wait` must end with an error when its signal aborts. `session`: whose trouble the 'timeout' names. @throws 'invalid-argument' before it is called.
 */
export async function waitAtMost<T>(
  runtime: Runtime,
  what: string,
  { signal, waitMs }: WaitLimit,
  session: Pick<Session, 'trouble'>,
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
    const { trouble } = session;
    const why = trouble === undefined ? '' : ` ${trouble.what} failed last: ${messageOf(trouble.error)}`;
    const message = `Waiting for ${what} took longer than ${waitMs} ms; nothing is held.${why}`;
    const { outcome } = error;
    throw new ConclaveError('timeout', message, { retryable: true, outcome, cause: trouble?.error });
  } finally {
    timer?.cancel();
    link.release();
  }
}

export function checkWait(waitMs: number): void {
  if (typeof waitMs === 'number' && waitMs > 0 && waitMs <= 86_400_000) return;
  const message = `waitMs must be a number above 0 and at most 86400000, not ${shown(waitMs)}.`;
  throw new ConclaveError('invalid-argument', message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
