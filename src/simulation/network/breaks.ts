/**
 * Processes whose end of a connection broke while they stood still. Their system answers for them that it is gone, so that
 * the other side takes them for gone, too, before they know.
 */
export class Breaks {
  readonly #nowUs: () => number;
  /** How many a process was not told of yet. */
  readonly #untold = new WeakMap<object, number>();
  /** When it was last told of one later than it broke. */
  readonly #toldLateUs = new WeakMap<object, number>();

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
  }

  happens(process: object): void {
    this.#untold.set(process, (this.#untold.get(process) ?? 0) + 1);
  }

  told(process: object, brokenUs: number): void {
    this.#untold.set(process, (this.#untold.get(process) ?? 1) - 1);
    if (this.#nowUs() > brokenUs) this.#toldLateUs.set(process, this.#nowUs());
  }

  /** Whether it has not heard of one, or did late, and no longer than this ago. */
  late(process: object, agoUs: number): boolean {
    if ((this.#untold.get(process) ?? 0) > 0) return true;
    const toldUs = this.#toldLateUs.get(process);
    return toldUs !== undefined && this.#nowUs() <= toldUs + agoUs;
  }
}
