import { Draw } from '../../src/simulation/world/random.ts';
import { Coverage } from './coverage.ts';
import { mutated, shrunk } from './mutations.ts';

export interface FuzzTarget {
  /** Address of the folder or file whose blocks count, `file:///…`. */
  readonly sources: string;
  readonly seeds: readonly Uint8Array[];
  readonly maxBytes: number;
  /**
   * Tries one input. What it answers is a kind of outcome: an input with a new one is kept, as one that ran new code is.
   * @throws what is wrong
   */
  readonly attempt: (input: Uint8Array) => string | Promise<string>;
}

export interface Finding {
  readonly input: Uint8Array;
  readonly error: unknown;
}

export interface FuzzResult {
  /** The first input that went wrong, as small as could be. */
  readonly finding: Finding | undefined;
  readonly attempts: number;
  readonly corpus: number;
  readonly blocks: number;
}

/** Inputs between two looks at what ran, which cost as much as some hundred of them. */
const batch = 250;
/** What is tried at least, though the machine stood still for all of the time. */
const leastBatches = 4;

/**
 * Tries inputs for so long, a thousand at least, or until one fails: mutations of the seeds, and of all inputs that ran
 * code, or had an outcome, that none before them had.
 */
export async function fuzz(
  target: FuzzTarget,
  options: { seed: number; seconds: number },
): Promise<FuzzResult> {
  using run = new Run(target, options.seed);
  const endMs = performance.now() + options.seconds * 1000;
  let finding = await run.start();
  for (let tried = 0; finding === undefined; tried++) {
    if (tried >= leastBatches && performance.now() >= endMs) break;
    finding = await run.batch();
  }
  return await run.result(finding);
}

class Run implements Disposable {
  readonly #target: FuzzTarget;
  readonly #draw: Draw;
  readonly #coverage: Coverage;
  readonly #corpus: Uint8Array[];
  readonly #outcomes = new Set<string>();
  readonly #blocks = new Set<string>();
  #attempts = 0;

  constructor(target: FuzzTarget, seed: number) {
    this.#target = target;
    this.#draw = new Draw(seed);
    this.#coverage = new Coverage(target.sources);
    this.#corpus = [...target.seeds];
  }

  /** The seeds themselves. */
  async start(): Promise<Finding | undefined> {
    const finding = await this.#tryAll(this.#target.seeds);
    for (const block of this.#coverage.ran()) this.#blocks.add(block);
    return finding;
  }

  async batch(): Promise<Finding | undefined> {
    const { maxBytes } = this.#target;
    const inputs = Array.from({ length: batch }, () => mutated(this.#corpus, this.#draw, maxBytes));
    const finding = await this.#tryAll(inputs);
    if (finding !== undefined) return finding;
    const fresh = without(this.#coverage.ran(), this.#blocks);
    if (fresh.size > 0) await this.#keepThoseThatRan(fresh, inputs);
    return undefined;
  }

  /** With the input of a finding as small as could be. */
  async result(finding: Finding | undefined): Promise<FuzzResult> {
    const fails = async (input: Uint8Array) => (await this.#failing(input)) !== undefined;
    const smaller = finding && (await this.#failing(await shrunk(finding.input, fails)));
    return {
      ...{ finding: smaller ?? finding, attempts: this.#attempts },
      ...{ corpus: this.#corpus.length, blocks: this.#blocks.size },
    };
  }

  [Symbol.dispose](): void {
    this.#coverage[Symbol.dispose]();
  }

  async #tryAll(inputs: readonly Uint8Array[]): Promise<Finding | undefined> {
    for (const input of inputs) {
      const finding = await this.#failing(input);
      if (finding !== undefined) return finding;
    }
    return undefined;
  }

  async #failing(input: Uint8Array): Promise<Finding | undefined> {
    this.#attempts += 1;
    try {
      const outcome = await this.#target.attempt(input);
      if (this.#outcomes.has(outcome)) return undefined;
      this.#outcomes.add(outcome);
      this.#corpus.push(input);
      return undefined;
    } catch (error) {
      return { input, error };
    }
  }

  /** Halves, and halves of those, until it is known which inputs ran what was new. */
  async #keepThoseThatRan(fresh: ReadonlySet<string>, inputs: readonly Uint8Array[]): Promise<void> {
    await this.#tryAll(inputs);
    const ran = without(this.#coverage.ran(), this.#blocks);
    for (const block of ran) if (!fresh.has(block)) ran.delete(block);
    if (ran.size === 0) return;
    const [only] = inputs;
    if (inputs.length === 1 && only !== undefined) {
      for (const block of ran) this.#blocks.add(block);
      this.#corpus.push(only);
      return;
    }
    const middle = inputs.length >> 1;
    await this.#keepThoseThatRan(ran, inputs.slice(0, middle));
    await this.#keepThoseThatRan(ran, inputs.slice(middle));
  }
}

function without(blocks: ReadonlySet<string>, known: ReadonlySet<string>): Set<string> {
  return new Set([...blocks].filter((block) => !known.has(block)));
}
