import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';

/** How long closing waits for the answers of a service that has answered before. */
const patienceMs = 1000;

/**
 * Sessions on their way whose caller gave up: what comes about of them all the same is ended, since nobody would know
 * of it, and it would stay until its TTL is over. Closing a store waits for that.
 */
export class GivenUpSessions {
  readonly #runtime: Runtime;
  readonly #ending = new Set<Promise<unknown>>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /**
   * Rejects with 'aborted' as soon as the signal does; what is opened after that goes to `end`. `answers`: whether the
   * service was heard of, so that it is worth waiting for.
   */
  run<T>(
    what: string,
    signal: AbortSignal | undefined,
    open: () => Promise<T>,
    { answers, end }: { readonly answers: () => boolean; readonly end: (opened: T) => Promise<unknown> },
  ): Promise<T> {
    if (signal?.aborted) return Promise.reject(ConclaveError.aborted(what, signal));
    return new Promise<T>((resolve, reject) => {
      const opening = open();
      const onAbort = () => {
        const options = { outcome: 'unknown', cause: signal?.reason } as const;
        reject(new ConclaveError('aborted', `${what} was aborted by its signal.`, options));
        const ended = opening.then(end);
        if (answers()) this.track(ended);
        else ended.catch(() => {});
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const done = () => signal?.removeEventListener('abort', onAbort);
      opening.then(done, done);
      opening.then(resolve, reject);
    });
  }

  /** What ends a session that nobody knows of. Its failure is nobody's loss: the session ends by itself. */
  track(ending: Promise<unknown>): void {
    const quiet = ending.catch(() => {}).finally(() => this.#ending.delete(quiet));
    this.#ending.add(quiet);
  }

  /** Resolves when all of that is done, or has taken too long. */
  settled(): Promise<void> {
    if (this.#ending.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#runtime.timers.after(patienceMs, resolve);
      void Promise.all(this.#ending).then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
