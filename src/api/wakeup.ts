/** Lets one loop wait until somebody says that there may be work. Notices given while nobody waits are kept as one. */
export class Wakeup {
  #noticed = false;
  #resolve: (() => void) | undefined;

  notify(): void {
    this.#noticed = true;
    const resolve = this.#resolve;
    this.#resolve = undefined;
    resolve?.();
  }

  /** Resolves at the next notice; at once if there was one since the last wait. For one waiter at a time. */
  async wait(): Promise<void> {
    if (!this.#noticed) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
      });
    }
    this.#noticed = false;
  }
}
