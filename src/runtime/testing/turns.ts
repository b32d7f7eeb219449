/** The turns of the host's loop in which in-memory operations complete, counted so that a test can await them all. */
export class Turns {
  #waiting = 0;

  /** Runs `callback` in the next turn, in the order of the calls. */
  next(callback: () => void): void {
    this.#waiting += 1;
    setImmediate(() => {
      this.#waiting -= 1;
      callback();
    });
  }

  /** Resolves when everything set off so far, and what that set off, has run. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 100_000; turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#waiting === 0) return;
    }
    throw new Error('Something goes on for ever without waiting for time to pass.');
  }
}
