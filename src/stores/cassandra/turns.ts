/**
 * One change of a row at a time in this process: lightweight transactions that meet make each other begin anew, and
 * with a crowd none gets through before its time is over.
 */
export class Turns<T> {
  readonly #last = new Map<string, Promise<T | undefined>>();

  /** `work` gets what the turn before it gave, if that was still under way when this one was asked for. */
  take(key: string, work: (before: T | undefined) => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve(undefined)).then(work);
    const settled = turn.catch(() => undefined);
    this.#last.set(key, settled);
    void settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    return turn;
  }
}
