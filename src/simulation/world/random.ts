/** Where every choice of a simulated life comes from: whole-number arithmetic only, so all machines draw alike. */
export class Draw {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    let mixed = seed >>> 0;
    // The upper half of a large seed counts too.
    const upper = Math.floor(seed / 2 ** 32) >>> 0;
    const next = (): number => {
      // splitmix32: spreads neighbouring seeds apart.
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let word = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
      return (word ^ (word >>> 15)) >>> 0;
    };
    this.#a = next();
    mixed = (mixed ^ upper) >>> 0;
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  /** A generator of its own for one part of the world, so that a change in one does not shift all others. */
  fork(label: string): Draw {
    let hash = 0x811c9dc5;
    for (let at = 0; at < label.length; at++) hash = Math.imul(hash ^ label.charCodeAt(at), 0x01000193) >>> 0;
    return new Draw((this.word() ^ hash) >>> 0);
  }

  /** 32 random bits (sfc32). */
  word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.word() / 2 ** 32;
  }

  /** Whole, from 0 up to and without `end`, which is at most 2^32. */
  below(end: number): number {
    return Math.floor(this.unit() * end);
  }

  /** Whole, from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.unit() < probability;
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.below(from.length)];
    if (picked === undefined) throw new RangeError('Nothing to pick from.');
    return picked;
  }

  shuffled<T>(from: readonly T[]): T[] {
    const result = [...from];
    for (let at = result.length - 1; at > 0; at--) {
      const other = this.below(at + 1);
      const held = result[at] as T;
      result[at] = result[other] as T;
      result[other] = held;
    }
    return result;
  }

  /**
   * A whole number from `least` up, whose excess has a long tail of about this mean: mostly small, sometimes many
   * times it, as latencies are. No logarithm, whose last digits differ between engines.
   */
  tailed(least: number, mean: number): number {
    let excess = this.below(2 * mean + 1) * 0.7;
    while (this.below(8) === 0) excess = excess * 2 + mean / 4;
    return least + Math.floor(excess);
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.word() >>> 24;
    return bytes;
  }
}
