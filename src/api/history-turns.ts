import type { ReadBudget } from '../keyspace/types.ts';
import type { Timers } from '../runtime/types.ts';
import { TurnQueue } from './turn-queue.ts';

/** Records of history that a stream whose watches are behind looks at when it has its go: some 0.5 ms. */
const searchedRecords = 10_000;
/** The same where more than that is written between two goes: else the watch would never be up to date. */
const mostSearchedRecords = 100_000;
/** Who is no further behind than this many records waits for nobody. */
const freeRecords = 1000;
/** Streams that go on in one turn of the loop. */
const streamsInOneTurn = 4;

/**
 * The turns of watches that begin far back in history. What they want may be rare in it, so that much must be looked at for
 * little: who has looked at its share waits for one of the next turns of the loop, first come first. Each stream has a share
 * of its own, however many watches it has, and each watch gains on history however fast that grows.
 */
export class HistoryTurns {
  readonly budget: ReadBudget = { left: searchedRecords, most: mostSearchedRecords, free: freeRecords };
  readonly #turns: TurnQueue;

  constructor(timers: Timers) {
    this.#turns = new TurnQueue(timers, streamsInOneTurn);
  }

  /** Calls back in a later turn, in which there is a budget again. */
  wait(goOn: () => void): void {
    this.#turns.wait(() => {
      this.budget.left = searchedRecords;
      goOn();
    });
  }
}
