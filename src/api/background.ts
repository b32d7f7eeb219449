import type { MemberHandle } from '../member/types.ts';
import type { Runtime } from '../runtime/types.ts';
import { toStatus } from './status.ts';
import type { Logger } from './types.ts';

const firstDelayMs = 20;
const longestDelayMs = 1000;

/**
 * Owns work that outlives the call that caused it: removing a place in a queue after its caller gave up, shortening
 * a lease whose connection broke. Retries what may succeed later, until the member stops. Nothing here rejects.
 */
export class BackgroundWork {
  readonly #member: MemberHandle;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #running = new Set<Promise<void>>();
  readonly #sleepers = new Set<() => void>();
  #closed = false;

  constructor(member: MemberHandle, runtime: Runtime, logger: Logger) {
    this.#member = member;
    this.#runtime = runtime;
    this.#logger = logger;
  }

  /** Runs `work` until it succeeds or fails for good. `what` names it in the log. */
  retry(what: string, work: () => Promise<unknown>): void {
    const run: Promise<void> = this.#run(what, work).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Runs `work` once. */
  attempt(what: string, work: () => Promise<unknown>): void {
    const run: Promise<void> = this.#once(what, work).then(() => {
      this.#running.delete(run);
    });
    this.#running.add(run);
  }

  /** Lets each piece finish the attempt it is in, then gives up. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#sleepers) wake();
    await Promise.all(this.#running);
  }

  async #run(what: string, work: () => Promise<unknown>): Promise<void> {
    let delayMs = firstDelayMs;
    while ((await this.#once(what, work)) === 'may help') {
      await this.#sleep(delayMs);
      delayMs = Math.min(delayMs * 2, longestDelayMs);
    }
  }

  /** Whether another attempt may help. Never rejects. */
  async #once(what: string, work: () => Promise<unknown>): Promise<'may help' | 'over'> {
    try {
      await work();
      return 'over';
    } catch (error) {
      const status = toStatus(error);
      if (status.conclave.code === 'internal') {
        this.#logger.error({ what, error: status.message }, 'background work failed');
        return 'over';
      }
      const mayHelp = status.conclave.retryable || status.conclave.outcome === 'unknown';
      if (mayHelp && !this.#closed && !this.#member.status().stopping) return 'may help';
      this.#logger.debug({ what, error: status.message }, 'background work given up');
      return 'over';
    }
  }

  #sleep(delayMs: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#sleepers.delete(wake);
        resolve();
      };
      const timer = this.#runtime.timers.after(delayMs, wake, { background: true });
      this.#sleepers.add(wake);
    });
  }
}
