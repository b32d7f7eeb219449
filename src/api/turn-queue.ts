import type { Timers } from '../runtime/types.ts';

/** Who has done its share of something in one turn of the loop goes on in one of the next, first come first. */
export class TurnQueue {
  readonly #timers: Timers;
  readonly #inOneTurn: number;
  readonly #waiting: (() => void)[] = [];
  /** Callbacks that are asked for and did not come yet. What one of those that wait does is done before the next one comes. */
  #asked = 0;

  /** So many go on in one turn. */
  constructor(timers: Timers, inOneTurn: number) {
    this.#timers = timers;
    this.#inOneTurn = inOneTurn;
  }

  /** Calls back in a later turn. */
  wait(goOn: () => void): void {
    this.#waiting.push(goOn);
    this.#ask();
  }

  #ask(): void {
    if (this.#asked >= Math.min(this.#inOneTurn, this.#waiting.length)) return;
    this.#asked += 1;
    this.#timers.nextTurn(() => {
      this.#asked -= 1;
      this.#waiting.shift()?.();
      this.#ask();
    });
  }
}
