/** Removes rows that nobody needs any more: when a store is opened, and now and then while it writes. */
import type { Runtime } from '../../runtime/types.ts';
import type { Statement } from './connections.ts';
import type { Statements } from './statements.ts';

const everyMs = 600_000;
/** More at a time would hold many locks at once. */
export const sweptAtATime = 500;

export class Sweeper {
  readonly #statements: Statements;
  readonly #runtime: Runtime;
  readonly #statement: Statement;
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(statements: Statements, runtime: Runtime, statement: Statement) {
    this.#statements = statements;
    this.#runtime = runtime;
    this.#statement = statement;
  }

  /** Returns at once. What fails is left for the next time. */
  sweepIfDue(): void {
    const nowMs = this.#runtime.clock.monotonicMs();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + everyMs;
    this.#statements.inBackground(this.#sweep());
  }

  async #sweep(): Promise<void> {
    const { closed } = this.#statements;
    while (!closed.aborted) {
      const { changed } = await this.#statements.run('Tidying up', this.#statement, closed);
      if (changed < sweptAtATime) return;
    }
  }
}
