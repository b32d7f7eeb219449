import type { LifeOptions, LifeResult } from '../life/types.ts';
import { replayCommand } from './replay.ts';

export interface ShrinkOptions {
  readonly run: (options: LifeOptions) => Promise<LifeResult>;
  /** Lives to try at most. Default 200. */
  readonly maxRuns?: number;
  /** What was found so far is the result as soon as it aborts. */
  readonly signal?: AbortSignal;
  /** After each try. */
  readonly onTry?: (tries: number, smallest: LifeOptions, faults: number) => void;
}

export interface Shrunk {
  readonly options: LifeOptions;
  readonly result: LifeResult;
  readonly tries: number;
}

/**
 * Looks for a life with fewer faults, calmer links and fewer clients and candidates that breaks the same claim. Leaves
 * out half of the faults at a time, then ever smaller parts (Zeller's delta debugging). Fewer seconds are not tried:
 * they would draw other faults.
 */
export async function shrink(
  failed: LifeOptions,
  result: LifeResult,
  options: ShrinkOptions,
): Promise<Shrunk> {
  const search = new Search(failed, result, options);
  await search.start();
  await search.faults();
  await search.settings();
  await search.faults();
  return { options: search.smallest, result: search.result, tries: search.tries };
}

class Search {
  smallest: LifeOptions;
  result: LifeResult;
  tries = 0;
  readonly #tried = new Set<string>();
  readonly #options: ShrinkOptions;
  readonly #checker: string | undefined;

  constructor(failed: LifeOptions, result: LifeResult, options: ShrinkOptions) {
    this.smallest = { ...failed, keepTrace: false };
    this.result = result;
    this.#options = options;
    this.#checker = result.failure?.checker;
  }

  get #numbers(): readonly number[] {
    return this.smallest.only ?? this.result.schedule.map((fault) => fault.number);
  }

  /** What was to strike after the failure had no part in it. */
  async start(): Promise<void> {
    const { failure, schedule } = this.result;
    if (failure === undefined) return;
    const before = schedule.filter((fault) => fault.atMs * 1000 <= failure.atUs).map((fault) => fault.number);
    const kept = new Set(this.#numbers);
    await this.#try({ only: before.filter((number) => kept.has(number)) });
  }

  async faults(): Promise<void> {
    if (await this.#try({ only: [] })) return;
    for (let parts = 2; this.#numbers.length > 1; ) {
      const smaller = await this.#withoutOneOf(parts);
      if (smaller) parts = Math.max(2, parts - 1);
      else if (parts >= this.#numbers.length) return;
      else parts = Math.min(this.#numbers.length, parts * 2);
      if (this.#spent) return;
    }
  }

  /** The rest of what was drawn, one by one. */
  async settings(): Promise<void> {
    if (this.smallest.calmLinks !== true) await this.#try({ calmLinks: true });
    for (const candidates of [0, 1, 2]) {
      if (candidates < (this.smallest.candidates ?? 3) && (await this.#try({ candidates }))) break;
    }
    for (const clients of [0, 1, 2, 4]) {
      if (clients < (this.smallest.clients ?? 8) && (await this.#try({ clients }))) break;
    }
  }

  async #withoutOneOf(parts: number): Promise<boolean> {
    const all = this.#numbers;
    const size = Math.ceil(all.length / parts);
    for (let from = 0; from < all.length; from += size) {
      const only = [...all.slice(0, from), ...all.slice(from + size)];
      if (await this.#try({ only })) return true;
    }
    return false;
  }

  async #try(change: Partial<LifeOptions>): Promise<boolean> {
    if (this.#spent || this.#checker === undefined) return false;
    const options = { ...this.smallest, ...change };
    const key = replayCommand(options);
    if (this.#tried.has(key)) return false;
    this.#tried.add(key);
    this.tries += 1;
    const result = await this.#options.run(options);
    const same = result.failure?.checker === this.#checker;
    if (same) {
      this.smallest = options;
      this.result = result;
    }
    this.#options.onTry?.(this.tries, this.smallest, this.#numbers.length);
    return same;
  }

  get #spent(): boolean {
    if (this.#options.signal?.aborted) return true;
    return this.tries >= (this.#options.maxRuns ?? 200);
  }
}
