const codes = { quote: 0x22, open: 0x5b, backslash: 0x5c, close: 0x5d } as const;
const brace = { open: 0x7b, close: 0x7d } as const;

const decoder = new TextDecoder();

/**
 * Cuts bytes into the JSON values that stand in them one after the other, without looking into them: what is cut off
 * may still be no JSON. Holds the bytes of one value at most.
 */
export class JsonValues {
  readonly #maxBytes: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Of brackets and braces. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** In a value that is no array, object or string. */
  #inWord = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a value has begun and not ended. */
  get incomplete(): boolean {
    return this.#heldBytes > 0;
  }

  /** Of the value that is not complete. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The values that end in `chunk`. @throws RangeError where one is longer than the bound. */
  push(chunk: Uint8Array): string[] {
    const values: string[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const begun = this.#heldBytes > 0 || at > start;
      const step = this.#step(chunk[at] as number, begun);
      if (step === 'between') {
        start = at + 1;
      } else if (step !== 'inside') {
        const end = step === 'last' ? at + 1 : at;
        values.push(this.#take(chunk.subarray(start, end)));
        start = end;
        // The byte after a word begins the next value, or stands between the two.
        if (step === 'after') at--;
      }
    }
    this.#hold(chunk.subarray(start));
    return values;
  }

  /** A word has no end of its own. */
  end(): string[] {
    return this.#inWord && this.incomplete ? [this.#take(new Uint8Array())] : [];
  }

  /** Where this byte stands: between values, inside of one, last of one, or after one that had no last byte. */
  #step(byte: number, begun: boolean): 'between' | 'inside' | 'last' | 'after' {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === codes.backslash) this.#escaped = true;
      else if (byte === codes.quote) {
        this.#inString = false;
        if (this.#depth === 0) return 'last';
      }
      return 'inside';
    }
    const opens = byte === brace.open || byte === codes.open;
    const space = byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
    if (this.#inWord) {
      if (!opens && !space && byte !== codes.quote) return 'inside';
      this.#inWord = false;
      return 'after';
    }
    if (!begun && space) return 'between';
    if (byte === codes.quote) this.#inString = true;
    else if (opens) this.#depth++;
    else if (this.#depth === 0) this.#inWord = true;
    else if (byte === brace.close || byte === codes.close) {
      this.#depth--;
      if (this.#depth === 0) return 'last';
    }
    return 'inside';
  }

  /** Forgets the value that is not complete. */
  drop(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > this.#maxBytes)
      throw new RangeError(`a value is longer than ${this.#maxBytes} bytes`);
    this.#held.push(bytes);
  }

  #take(last: Uint8Array): string {
    this.#hold(last);
    const all = this.#held.length === 1 ? this.#held[0] : Buffer.concat(this.#held, this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
    return decoder.decode(all);
  }
}
