/** Most pieces of work that wait, in all and for one owner. */
const mostWaiting = 1024;
const mostWaitingOfOne = 128;

interface Piece {
  start(): void;
}

/**
 * Runs a few pieces of work at once. Owners take turns, so that one that asks for much does not keep the others
 * waiting for all of it.
 */
export class FairQueue<Owner> {
  readonly #atOnce: number;
  #running = 0;
  #waitingCount = 0;
  /** The owner whose turn is next comes first. */
  readonly #waiting = new Map<Owner, Piece[]>();

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Undefined: too much waits already. */
  run<T>(owner: Owner, work: () => Promise<T>): Promise<T> | undefined {
    if (this.#running < this.#atOnce) return this.#run(work);
    const own = this.#waiting.get(owner) ?? [];
    if (this.#waitingCount >= mostWaiting || own.length >= mostWaitingOfOne) return undefined;
    return new Promise<T>((resolve) => {
      own.push({ start: () => resolve(this.#run(work)) });
      this.#waiting.set(owner, own);
      this.#waitingCount++;
    });
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      this.#next();
    }
  }

  #next(): void {
    for (const [owner, pieces] of this.#waiting) {
      this.#waiting.delete(owner);
      const piece = pieces.shift();
      if (pieces.length > 0) this.#waiting.set(owner, pieces);
      this.#waitingCount--;
      piece?.start();
      return;
    }
  }
}
