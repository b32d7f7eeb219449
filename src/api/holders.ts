/** Counts the streams by which holders bind leases to this member, so that a stopping one can wait until they moved. */
export class Holders {
  #streams = 0;
  readonly #waiting: (() => void)[] = [];

  enter(): void {
    this.#streams++;
  }

  leave(): void {
    this.#streams--;
    if (this.#streams === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when no holder is bound here any more. */
  gone(): Promise<void> {
    if (this.#streams === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
