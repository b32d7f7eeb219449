/** What became of one moment, for people: kept only when a life is replayed to be looked at. */
export interface TraceLine {
  readonly atUs: number;
  /** A process, a host, or '' for the world. */
  readonly who: string;
  readonly text: string;
}

/**
 * Sums up everything that happens in a life in one number: the same seed must give the same one. Keeps the lines
 * only where asked to.
 */
export class Trace {
  readonly lines: TraceLine[] | undefined;
  #high = 0x6a09e667;
  #low = 0xbb67ae85;

  constructor(options: { readonly keepLines: boolean }) {
    this.lines = options.keepLines ? [] : undefined;
  }

  /** Takes whole numbers (up to 2^53) into the hash. */
  mix(number: number): void {
    const word = (number ^ Math.floor(number / 4294967296)) >>> 0;
    this.#high = Math.imul(this.#high ^ word, 0x85ebca6b);
    this.#high = (this.#high << 13) | (this.#high >>> 19);
    this.#low = (Math.imul(this.#low ^ this.#high, 0xc2b2ae35) + word) | 0;
  }

  /** Takes bytes into the hash: what was sent or written, and not only that something was. */
  mixBytes(chunks: readonly Uint8Array[]): void {
    let hash = 0x811c9dc5;
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at++) hash = Math.imul(hash ^ (chunk[at] as number), 0x01000193);
    }
    this.mix(hash >>> 0);
  }

  /** `text` is made only where lines are kept, so it must not change anything. */
  note(atUs: number, who: string, text: () => string): void {
    if (this.lines) this.lines.push({ atUs, who, text: text() });
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }
}
