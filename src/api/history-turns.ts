import type { ReadBudget } from '../keyspace/types.ts';
import type { Timers } from '../runtime/types.ts';

/** Records of history that all watches that are behind look at in one turn of the loop: some 2 ms. */
const mostSearchedRecords = 40_000;
/** Of these, one watch in one go. */
const mostSearchedAtOnce = 10_000;
/** Who is no further behind than this many records waits for nobody. */
const freeRecords = 1000;
/** Streams that go on in one turn. */
const streamsInOneTurn = 4;

/**
 * The turns of watches that begin far back in history. What they want may be rare in it, so that much must be looked at for
 * little: they share a budget for each turn of the loop, and who finds it used up waits for one of the next, first come first.
 */
export class HistoryTurns {
  readonly budget: ReadBudget = {
    left: mostSearchedRecords,
    mostAtOnce: mostSearchedAtOnce,
    free: freeRecords,
  };
  readonly #timers: Timers;
  #waiting: (() => void)[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Calls back in a later turn, in which there is a budget again. */
  wait(goOn: () => void): void {
    this.#waiting.push(goOn);
    if (this.#waiting.length === 1) this.#next();
  }

  #next(): void {
    this.#timers.nextTurn(() => {
      this.budget.left = mostSearchedRecords;
      for (const goOn of this.#waiting.splice(0, streamsInOneTurn)) goOn();
      if (this.#waiting.length > 0) this.#next();
    });
  }
}
