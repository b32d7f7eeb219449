/** Who holds parts of messages that are not complete. */
export interface Holder {
  /** It held more than all others when there was no room for all. */
  cut(): void;
}

/**
 * What all connections hold of messages that are not complete. Where that is too much, the one that holds most is cut:
 * to refuse whoever comes next would let a few who never finish keep everybody else out.
 */
export class PartialBudget {
  readonly #maxBytes: number;
  readonly #held = new Map<Holder, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What all hold. */
  get bytes(): number {
    return this.#bytes;
  }

  /** That many more bytes, or fewer, are held. */
  count(holder: Holder, bytes: number): void {
    if (bytes === 0) return;
    const held = (this.#held.get(holder) ?? 0) + bytes;
    if (held > 0) this.#held.set(holder, held);
    else this.#held.delete(holder);
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes) this.#cutLargest();
  }

  #cutLargest(): void {
    let largest: Holder | undefined;
    let most = 0;
    for (const [holder, held] of this.#held) {
      if (held <= most) continue;
      largest = holder;
      most = held;
    }
    if (largest === undefined) return;
    this.#held.delete(largest);
    this.#bytes -= most;
    largest.cut();
  }
}
