/** So many do something at one time; others wait in a row, until they are aborted. */
export class Places {
  readonly #row = new Set<() => void>();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** False: none is free. */
  tryTake(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  /** Who came first gets the first that is free. @throws the signal's reason, and takes none then */
  take(signal: AbortSignal): Promise<void> {
    if (this.tryTake()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#row.delete(begin);
        reject(signal.reason);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
      this.#row.add(begin);
    });
  }

  /** To be called once for each place that was taken. */
  release(): void {
    for (const begin of this.#row) {
      this.#row.delete(begin);
      return begin();
    }
    this.#free += 1;
  }
}
