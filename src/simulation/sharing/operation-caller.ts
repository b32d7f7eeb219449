import { pause } from '../../client/calls.ts';
import { Session } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type OnceContext, once } from '../../fencing/once/index.ts';
import { unlessUsual } from '../elections/usual-failures.ts';
import { holdOf, type SharerParts, sessionOptions } from './sharer.ts';

/** A new operation becomes known so often. */
const everyUs = 1_200_000;
/** Those that may be called at any time, and all those that are called in the end. */
const newest = { usual: 3, last: 6 };

/** Asks for operations that others ask for, too; their effect is a key of the store, made once under the fence. */
export class OperationCallerProgram {
  /** It was told the outcome of each of the newest operations since everything was healed. */
  completed = false;
  readonly #parts: SharerParts;
  readonly #stop = new AbortController();
  #running = 0;

  constructor(parts: SharerParts) {
    this.#parts = parts;
  }

  get leads(): boolean {
    return this.#running > 0;
  }

  async run(): Promise<void> {
    const { process, random, reports, store, settings } = this.#parts;
    const { signal } = this.#stop;
    const options = sessionOptions(this.#parts);
    const session = settings.oneSession ? new Session(store, options) : undefined;
    const asked = session === undefined ? options : { ...options, session };
    while (!signal.aborted) {
      const last = reports.elections.healedUs;
      if (last !== undefined) {
        await this.#callAll(this.#known(newest.last, last), asked);
      } else {
        const known = this.#known(newest.usual, reports.elections.nowUs);
        await this.#call(random.pick(known), asked);
        await pause(process.runtime, random.between(20, settings.paceMs), signal);
      }
    }
    await session?.[Symbol.asyncDispose]();
  }

  stop(): void {
    this.#stop.abort();
  }

  #known(count: number, nowUs: number): string[] {
    const highest = Math.floor(nowUs / everyUs);
    return Array.from(
      { length: Math.min(count, highest + 1) },
      (_none, back) => `operation-${highest - back}`,
    );
  }

  async #callAll(operations: readonly string[], asked: object): Promise<void> {
    const { process } = this.#parts;
    for (const operation of operations) {
      while (!this.#stop.signal.aborted && !(await this.#call(operation, asked)))
        await pause(process.runtime, 100, this.#stop.signal);
    }
    this.completed = !this.#stop.signal.aborted || this.completed;
    if (!this.#stop.signal.aborted) await pause(process.runtime, 200, this.#stop.signal);
  }

  /** True: it was told the outcome. */
  async #call(operation: string, asked: object): Promise<boolean> {
    const { process, random, reports, store } = this.#parts;
    const giveUp = new AbortController();
    const stop = () => giveUp.abort();
    const { signal } = this.#stop;
    signal.addEventListener('abort', stop);
    const patienceMs = reports.healed ? 20_000 : random.between(200, 8000);
    const timer = process.runtime.timers.after(patienceMs, stop);
    const options = {
      ...asked,
      signal: giveUp.signal,
      isRetryable: (error: unknown) => error instanceof Again,
    };
    try {
      const result = await once(store, operation, (context) => this.#run(context), options);
      this.#told(operation, `done ${JSON.stringify(result)}`);
      return true;
    } catch (error) {
      if (error instanceof Error && error.name === declined) {
        this.#told(operation, `failed ${error.message}`);
        return true;
      }
      if (!(error instanceof Again)) unlessUsual(error, 'not-leading');
      return false;
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', stop);
    }
  }

  #told(operation: string, outcome: string): void {
    const { reports, process } = this.#parts;
    reports.counts.operationsTold += 1;
    reports.elections.note(process.name, () => `is told of ${operation}: ${outcome}`);
    reports.tell('operationTold', process.name, operation, outcome);
  }

  async #run(context: OnceContext): Promise<{ readonly run: string; readonly effect: string }> {
    const { process, random, reports } = this.#parts;
    const { operationId, leadership, attempt, takenOver } = context;
    const { counts, elections } = reports;
    counts.operationsRun += 1;
    if (takenOver) counts.operationsTakenOver += 1;
    const run = `${process.name} with token ${context.token}`;
    elections.note(process.name, () => `runs ${operationId}, attempt ${attempt}, token ${context.token}`);
    const hold = holdOf(this.#parts, leadership);
    elections.tell('led', hold);
    reports.tell('operationRan', { operation: operationId, attempt, hold });
    this.#running += 1;
    try {
      await this.#linger();
      if (random.chance(0.1)) throw new Again('Try again.');
      const effect = await this.#takeEffect(context, run);
      await this.#linger();
      if (random.chance(0.1)) throw new Again('Try again.');
      if (random.chance(0.1)) throw Object.assign(new Error(`in ${run}`), { name: declined });
      return { run, effect };
    } finally {
      this.#running -= 1;
    }
  }

  /** Once, whoever tries: who comes later finds the key of who came first. */
  async #takeEffect({ operationId, leadership, signal }: OnceContext, run: string): Promise<string> {
    const key = `effects/${operationId}`;
    const { succeeded, results } = await leadership.txn(
      {
        compare: [{ key, target: 'exists', value: false }],
        success: [{ type: 'put', key, value: run }],
        failure: [{ type: 'get', key }],
      },
      { signal },
    );
    if (succeeded) {
      this.#parts.reports.tell('effectTaken', operationId, run);
      return run;
    }
    const [got] = results;
    const entry = got?.type === 'get' ? got.entries[0] : undefined;
    if (entry === undefined) throw new ConclaveError('internal', `${key} exists and is not there.`);
    return new TextDecoder().decode(entry.value);
  }

  async #linger(): Promise<void> {
    const { process, random, reports, settings } = this.#parts;
    if (reports.healed) return;
    const mostMs = random.chance(0.2) ? 2 * settings.ttlMs : 100;
    await pause(process.runtime, random.between(0, mostMs));
  }
}

class Again extends Error {}
const declined = 'Declined';
