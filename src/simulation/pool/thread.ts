import { Worker } from 'node:worker_threads';
import { ConclaveError } from '../../errors/index.ts';
import type { Runtime } from '../../runtime/index.ts';
import type { LifeFailure, LifeOptions, LifeResult } from '../life/types.ts';
import type { WorkerMessage, WorkerSettings } from './messages.ts';
import { Patience } from './patience.ts';

/** Twice Node's own: most of what a life makes is gone before so much is full, and is never copied. */
const youngGenerationMb = 96;

export interface ThreadOptions {
  /** URL of the module whose `runLife` the thread calls. */
  readonly runner: string;
  /** As `PoolOptions` have it. */
  readonly patienceMs: number;
  readonly runtime: Runtime;
  readonly name: string;
}

/** A life that gave no result because it broke its thread, not a claim. */
type Breakdown = Pick<LifeFailure, 'checker' | 'claim' | 'message' | 'stack'>;

/** One worker thread that lives one life at a time. A thread that broke or hung is replaced at the next life. */
export class LifeThread {
  readonly #options: ThreadOptions;
  #worker: Worker | undefined;
  #settle: ((end: LifeResult | Breakdown) => void) | undefined;
  #fail: ((error: ConclaveError) => void) | undefined;
  #closed = false;
  /** What went wrong after a life's result was there: it fails the next one rather than nothing. */
  #stray: Breakdown | undefined;

  constructor(options: ThreadOptions) {
    this.#options = options;
  }

  /** Resolves to a result whatever the life does. @throws ConclaveError 'closed' when closed meanwhile, 'invalid-argument'. */
  async live(options: LifeOptions): Promise<LifeResult> {
    const worker = this.#started();
    const ended = Promise.withResolvers<LifeResult | Breakdown>();
    this.#settle = ended.resolve;
    this.#fail = ended.reject;
    const patience = new Patience(worker, this.#options, (why) => this.#hang(why));
    try {
      if (this.#stray !== undefined) return failedLife(options, this.#stray);
      worker.postMessage(options);
      const end = await ended.promise;
      return 'seed' in end ? end : failedLife(options, end);
    } finally {
      patience.end();
      this.#stray = undefined;
      this.#settle = undefined;
      this.#fail = undefined;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#fail?.(closed());
    await this.#worker?.terminate();
  }

  #started(): Worker {
    if (this.#closed) throw closed();
    if (this.#worker !== undefined) return this.#worker;
    // From sources the thread runs the source too; both stand beside this file under the same name.
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    const { runner, name } = this.#options;
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: { runner } satisfies WorkerSettings,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
      name,
    });
    this.#worker = worker;
    worker.on('message', (message: WorkerMessage) => this.#take(worker, message));
    worker.on('error', (error) => this.#break(worker, describe(error)));
    worker.on('exit', () => {
      this.#break(worker, {
        ...program,
        message: 'The thread ended in the middle of the life.',
        stack: undefined,
      });
    });
    return worker;
  }

  #take(worker: Worker, message: WorkerMessage): void {
    if (worker !== this.#worker) return;
    if (message.kind === 'refused')
      return this.#fail?.(new ConclaveError('invalid-argument', message.message));
    this.#settle?.(message.kind === 'lived' ? message.result : { ...program, ...message.error });
  }

  #break(worker: Worker, breakdown: Breakdown): void {
    // Its exit comes after its error, and after it was replaced.
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    if (this.#settle !== undefined) this.#settle(breakdown);
    else if (!this.#closed) this.#stray = breakdown;
  }

  #hang(why: string): void {
    const worker = this.#worker;
    this.#worker = undefined;
    const message = `The life had not ended after ${why}.`;
    this.#settle?.({ checker: 'hang', claim: 'A life comes to its end.', message, stack: undefined });
    // How it ends is of no interest any more.
    worker?.terminate().catch(() => {});
  }
}

const program = { checker: 'program', claim: 'No code throws what nobody catches.' };

function describe(error: unknown): Breakdown {
  if (!(error instanceof Error)) return { ...program, message: String(error), stack: undefined };
  return { ...program, message: error.message, stack: error.stack };
}

function failedLife(options: LifeOptions, breakdown: Breakdown): LifeResult {
  return {
    ...{ seed: options.seed, traceHash: '', steps: 0, simulatedMs: 0, members: options.members ?? 3 },
    ...{ coverage: {}, faults: {}, schedule: [], settings: 'unknown, as the life gave no result' },
    ...{ failure: { ...breakdown, atUs: 0 }, lines: undefined },
  };
}

function closed(): ConclaveError {
  return new ConclaveError('closed', 'The pool of simulated lives was closed; nothing runs in it any more.');
}
