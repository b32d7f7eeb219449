import { processorMs } from '../../runtime/process-figures.ts';
import type { LifeOptions, LifeResult } from '../life/types.ts';
import { Totals } from '../report/totals.ts';

export interface BlockOptions {
  /** What all lives share. */
  readonly life: Omit<LifeOptions, 'seed'>;
  /** The others follow, one by one. */
  readonly firstSeed: number;
  /** How many; undefined: until `signal` says that it is enough. */
  readonly seeds: number | undefined;
  /** Lives at a time. */
  readonly jobs: number;
  /** False: a failure ends the block. */
  readonly keepGoing: boolean;
  /** No further seed is begun after it. */
  readonly enough?: AbortSignal;
  /** Also what is under way is not waited for. */
  readonly signal?: AbortSignal;
  /** Of this process. Default: as the system counts it. */
  readonly processorMs?: () => number;
  readonly onLived?: (result: LifeResult, block: Block) => void;
}

/** What came out of a block of seeds so far. */
export interface Block {
  readonly totals: Totals;
  /** Failed lives in the order of their seeds; at most `mostFailures`, the rest only counted by `totals`. */
  readonly failures: readonly LifeResult[];
  /** The result of the first seed, once it is there and if it went well, to compare another run with. */
  readonly first: LifeResult | undefined;
  /** Processor time of the whole process since the block began, or until it was over: collector and compiler too. */
  readonly usedMs: number;
  /** `signal` ended it. */
  readonly interrupted: boolean;
}

/** How many failures are kept, so that a block in which everything fails does not fill the memory. */
export const mostFailures = 1000;

/**
 * Lives the seeds from `firstSeed` on, `jobs` at a time. Seeds are begun in their order, and a failure waits for those
 * begun before, so the first of `failures` is the lowest seed that fails, however many jobs there are.
 */
export async function liveBlock(
  run: (options: LifeOptions) => Promise<LifeResult>,
  options: BlockOptions,
): Promise<Block> {
  const block = new RunningBlock(run, options);
  const { signal } = options;
  const aborted = Promise.withResolvers<void>();
  const abort = (): void => aborted.resolve();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const jobs = Promise.all(Array.from({ length: options.jobs }, () => block.work()));
    await Promise.race([jobs, aborted.promise]);
    // Whoever interrupts closes the pool, and that rejects what is under way.
    jobs.catch(() => {});
  } finally {
    block.end();
    signal?.removeEventListener('abort', abort);
  }
  return block;
}

class RunningBlock implements Block {
  readonly totals = new Totals();
  readonly failures: LifeResult[] = [];
  first: LifeResult | undefined;
  over = false;
  readonly #run: (options: LifeOptions) => Promise<LifeResult>;
  readonly #options: BlockOptions;
  readonly #processorMs: () => number;
  readonly #sinceMs: number;
  #usedMs: number | undefined;
  #next: number;

  constructor(run: (options: LifeOptions) => Promise<LifeResult>, options: BlockOptions) {
    this.#run = run;
    this.#options = options;
    this.#next = options.firstSeed;
    this.#processorMs = options.processorMs ?? processorMs;
    this.#sinceMs = this.#processorMs();
  }

  get usedMs(): number {
    return this.#usedMs ?? this.#processorMs() - this.#sinceMs;
  }

  end(): void {
    this.#usedMs = this.usedMs;
    this.over = true;
  }

  get interrupted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  async work(): Promise<void> {
    while (this.#more()) {
      const seed = this.#next++;
      const result = await this.#run({ ...this.#options.life, seed });
      if (this.over) return;
      this.#take(result);
    }
  }

  #more(): boolean {
    const { firstSeed, seeds, keepGoing, enough, signal } = this.#options;
    if (signal?.aborted || enough?.aborted) return false;
    if (this.failures.length > 0 && !keepGoing) return false;
    if (this.#next > Number.MAX_SAFE_INTEGER) return false;
    return seeds === undefined || this.#next < firstSeed + seeds;
  }

  #take(result: LifeResult): void {
    this.totals.add(result);
    if (result.failure !== undefined) this.#keep(result);
    else if (result.seed === this.#options.firstSeed) this.first = result;
    this.#options.onLived?.(result, this);
  }

  #keep(result: LifeResult): void {
    const place = this.failures.findIndex((other) => other.seed > result.seed);
    this.failures.splice(place === -1 ? this.failures.length : place, 0, result);
    if (this.failures.length > mostFailures) this.failures.pop();
  }
}
