import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime, type Runtime } from '../../runtime/index.ts';
import type { LifeOptions, LifeResult } from '../life/types.ts';
import { LifeThread } from './thread.ts';

export interface PoolOptions {
  /** Threads, each living one life at a time. */
  readonly jobs: number;
  /** How much processor time a life may take, ms, before it counts as hanging; or how long it may do nothing. Default 60,000. */
  readonly patienceMs?: number;
  /** Module that exports `runLife`. Default: the simulator's own. */
  readonly runner?: URL;
  readonly runtime?: Runtime;
}

/**
 * Lives many lives on all cores. Which thread lives a seed makes no difference to its result. A life that throws,
 * leaves a rejected promise behind, ends its thread or never ends resolves to a result with a failure.
 */
export class LifePool implements AsyncDisposable {
  readonly jobs: number;
  readonly #threads: readonly LifeThread[];
  readonly #idle: LifeThread[];
  readonly #waiting: ((thread: LifeThread) => void)[] = [];

  /** @throws ConclaveError 'invalid-argument' when `jobs` is no whole number above 0. */
  constructor(options: PoolOptions) {
    const { jobs, patienceMs = 60_000, runtime = nodeRuntime() } = options;
    if (!Number.isInteger(jobs) || jobs < 1) {
      throw new ConclaveError(
        'invalid-argument',
        `A pool needs a whole number of jobs above 0, not ${jobs}.`,
      );
    }
    this.jobs = jobs;
    const runner = (options.runner ?? ownRunner()).href;
    this.#threads = Array.from(
      { length: jobs },
      (_, place) => new LifeThread({ runner, patienceMs, runtime, name: `simulation ${place + 1}` }),
    );
    this.#idle = [...this.#threads];
  }

  /** Lives one life as soon as a thread is free. @throws ConclaveError 'closed' when the pool was closed, 'invalid-argument'. */
  async run(options: LifeOptions): Promise<LifeResult> {
    const thread = this.#idle.pop() ?? (await this.#free());
    try {
      return await thread.live(options);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#idle.push(thread);
      else next(thread);
    }
  }

  /** Ends all threads; lives under way are rejected with 'closed'. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  #free(): Promise<LifeThread> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function ownRunner(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? '../life/life.ts' : '../life/life.js', import.meta.url);
}
