/** Most pieces of work that wait, in all and for one owner. */
const mostWaiting = 1024;
const mostWaitingOfOne = 512;

interface Piece {
  start(): void;
  /** Gives its place to somebody who has fewer. */
  giveUp(): void;
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

  /**
   * Undefined: too much waits already, at once or later, when the place goes to somebody who has fewer: who fills the
   * queue does not keep the others out.
   */
  async run<T>(owner: Owner, work: () => Promise<T>): Promise<{ readonly result: T } | undefined> {
    if (this.#running < this.#atOnce) return { result: await this.#run(work) };
    const own = this.#waiting.get(owner) ?? [];
    if (own.length >= mostWaitingOfOne) return undefined;
    if (this.#waitingCount >= mostWaiting && !this.#makeRoom(own.length + 1)) return undefined;
    return await new Promise((resolve, reject) => {
      const start = () => this.#run(work).then((result) => resolve({ result }), reject);
      own.push({ start, giveUp: () => resolve(undefined) });
      this.#waiting.set(owner, own);
      this.#waitingCount++;
    });
  }

  /** Takes the last place of who has most of them, if that is more than `places`. */
  #makeRoom(places: number): boolean {
    let longest: Piece[] = [];
    for (const pieces of this.#waiting.values()) if (pieces.length > longest.length) longest = pieces;
    if (longest.length <= places) return false;
    longest.pop()?.giveUp();
    this.#waitingCount--;
    return true;
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
