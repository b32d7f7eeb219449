import { linkSignals } from '../election/waiting.ts';
import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import type { StateFeed } from './feed.ts';
import { rosterElection } from './options.ts';

/** How long one call waits for what is not known yet. Costs nothing where everything is. */
export class Patience implements Disposable {
  readonly #parts: { readonly name: string; readonly feed: StateFeed; readonly runtime: Runtime };
  readonly #signal: AbortSignal | undefined;
  readonly #waitMs: number;
  #link: ReturnType<typeof linkSignals> | undefined;
  #end: () => void = () => {};
  #over = false;

  constructor(
    parts: { readonly name: string; readonly feed: StateFeed; readonly runtime: Runtime },
    signal: AbortSignal | undefined,
    waitMs: number,
  ) {
    this.#parts = parts;
    this.#signal = signal;
    this.#waitMs = waitMs;
  }

  /** Resolves when something came of this election, or the feed has stopped. @throws 'aborted', 'not-found', 'unavailable'. */
  async change(election: string): Promise<void> {
    this.#link ??= this.#begin();
    const { signal } = this.#link;
    if (!signal.aborted) await this.#parts.feed.changed(election, signal);
    if (this.#over) throw this.#inVain();
    if (!signal.aborted) return;
    throw ConclaveError.aborted(
      `Waiting for the partitions ${JSON.stringify(this.#parts.name)}`,
      this.#signal,
    );
  }

  [Symbol.dispose](): void {
    this.#end();
    this.#link?.release();
  }

  #begin(): ReturnType<typeof linkSignals> {
    const link = linkSignals(this.#signal);
    const timer = this.#parts.runtime.timers.after(this.#waitMs, () => {
      this.#over = true;
      link.controller.abort();
    });
    this.#end = () => timer.cancel();
    return link;
  }

  #inVain(): ConclaveError {
    const { name, feed } = this.#parts;
    const waited = `waited for ${this.#waitMs} ms`;
    if (feed.get(rosterElection(name)) === undefined) {
      const message = `The store has told nothing of the partitions ${JSON.stringify(name)} (${waited}).`;
      return new ConclaveError('unavailable', message, { retryable: true, details: { name } });
    }
    const message = `No process has ever taken part in the partitions ${JSON.stringify(name)} (${waited}): check the name, or start one.`;
    return new ConclaveError('not-found', message, { retryable: true, details: { name } });
  }
}
