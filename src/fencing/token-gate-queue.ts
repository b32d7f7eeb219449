/** Who is inside a resource of a gate in this process, or on the way in; newer tokens wait for older ones. */
import { ConclaveError } from '../errors/index.ts';
import type { Timer, Timers } from '../runtime/types.ts';

interface Member {
  readonly token: number;
  readonly left: Promise<void>;
}

export interface Place {
  /**
   * Resolves when nobody with a lower token is here: at once (false), or later (true). Waiting goes from higher tokens
   * to lower ones only, so never in a circle.
   * @throws 'timeout', 'aborted'.
   */
  olderOnesLeft(waitMs: number, signal: AbortSignal | undefined): Promise<boolean>;
  /** Idempotent. */
  leave(): void;
}

export class Queue {
  readonly #timers: Timers;
  readonly #members = new Map<string, Set<Member>>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  join(resource: string, token: number): Place {
    const { promise: left, resolve } = Promise.withResolvers<void>();
    const member: Member = { token, left };
    const members = this.#members.get(resource) ?? new Set();
    this.#members.set(resource, members.add(member));
    return {
      olderOnesLeft: async (waitMs, signal) => {
        const older = [...members].filter((other) => other.token < token);
        if (older.length === 0) return false;
        const gone = Promise.all(older.map((other) => other.left));
        await this.#inTime(gone, waitMs, signal, resource);
        return true;
      },
      leave: () => {
        members.delete(member);
        if (members.size === 0 && this.#members.get(resource) === members) this.#members.delete(resource);
        resolve();
      },
    };
  }

  async #inTime(
    gone: Promise<unknown>,
    waitMs: number,
    signal: AbortSignal | undefined,
    resource: string,
  ): Promise<void> {
    const stop = Promise.withResolvers<never>();
    const what = `Waiting for effects of older leaders on resource ${JSON.stringify(resource)}`;
    const abort = () => stop.reject(ConclaveError.aborted(what, signal));
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    const timer: Timer = this.#timers.after(waitMs, () => {
      const message = `${what} took longer than ${waitMs} ms: they are still under way.`;
      stop.reject(new ConclaveError('timeout', message, { retryable: true }));
    });
    try {
      await Promise.race([gone, stop.promise]);
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', abort);
    }
  }
}
