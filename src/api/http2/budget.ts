/** How often something may happen: `burst` at once, and `perSecond` more as time goes by. */
export class Budget {
  readonly #burst: number;
  readonly #perMs: number;
  readonly #nowMs: () => number;
  #left: number;
  #sinceMs: number;

  constructor(options: { burst: number; perSecond: number }, nowMs: () => number) {
    this.#burst = options.burst;
    this.#perMs = options.perSecond / 1000;
    this.#nowMs = nowMs;
    this.#left = options.burst;
    this.#sinceMs = nowMs();
  }

  /** False: it is used up. The clock is read only then. */
  take(): boolean {
    if (this.#left < 1) {
      const nowMs = this.#nowMs();
      this.#left = Math.min(this.#burst, this.#left + (nowMs - this.#sinceMs) * this.#perMs);
      this.#sinceMs = nowMs;
      if (this.#left < 1) return false;
    }
    this.#left -= 1;
    return true;
  }
}
