/** Gives a leadership to a waiter of higher priority, as soon as one is seen. */

import { ConclaveError } from '../errors/index.ts';
import type { SessionSettings } from './options.ts';
import type { ElectionState } from './store.ts';
import { backoffMs, isPermanent, sleep } from './waiting.ts';

export interface YieldingOptions {
  readonly settings: SessionSettings;
  /** Of the one who leads. */
  readonly priority: number;
  /** Aborts when the leadership is given up or lost: then there is nothing to give. */
  readonly signal: AbortSignal;
  readonly handOff: (toHolder: string) => Promise<void>;
}

export class PriorityYield {
  readonly #options: YieldingOptions;
  #latest: ElectionState | undefined;
  #handing = false;

  constructor(options: YieldingOptions) {
    this.#options = options;
  }

  /** Of an election that we lead. Never throws. */
  see(state: ElectionState): void {
    this.#latest = state;
    if (!this.#handing) void this.#hand();
  }

  /** Who waits may leave again before it is handed to; then the next state tells. */
  async #hand(): Promise<void> {
    const { settings, signal, handOff } = this.#options;
    const { runtime, renewEveryMs } = settings;
    this.#handing = true;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const looked = this.#latest;
      const higher = this.#firstAbove(looked);
      if (higher === undefined) break;
      try {
        await handOff(higher);
        break;
      } catch (error) {
        if (isPermanent(error)) break;
        // The state that showed it may lag; a newer one is looked at at once.
        if (ConclaveError.is(error, 'target-not-waiting') && this.#latest !== looked) continue;
        await sleep(runtime, backoffMs(runtime.random, attempt, renewEveryMs / 20, renewEveryMs), signal);
      }
    }
    this.#handing = false;
  }

  #firstAbove(state: ElectionState | undefined): string | undefined {
    const { priority, settings } = this.#options;
    const above = state?.waiting.find((one) => one.priority > priority && one.holder !== settings.holder);
    return above?.holder;
  }
}
