import { StatusError, statusCodes } from '../status.ts';

const codes = { quote: 0x22, comma: 0x2c, open: 0x5b, backslash: 0x5c, close: 0x5d } as const;
const brace = { open: 0x7b, close: 0x7d } as const;

const decoder = new TextDecoder();
const nothing: Uint8Array = new Uint8Array(0);

export interface JsonBounds {
  /** Of one value. */
  readonly maxBytes: number;
  /** Fields of all its objects and elements of all its arrays: what parsing and converting it takes time for. */
  readonly maxMembers: number;
}

/**
 * Cuts bytes into the JSON values that stand in them one after the other, without looking into them: what is cut off
 * may still be no JSON. Holds the bytes of one value at most.
 */
export class JsonValues {
  readonly #bounds: JsonBounds;
  /** Commas, brackets and braces of the value that is not complete: at least as many as it has members. */
  #members = 0;
  /** One array that grows: the pieces that a body comes in may be of one byte each, and would cost many times as much. */
  #held = nothing;
  #heldBytes = 0;
  /** Of brackets and braces. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** In a value that is no array, object or string. */
  #inWord = false;

  constructor(bounds: JsonBounds) {
    this.#bounds = bounds;
  }

  /** Whether a value has begun and not ended. */
  get incomplete(): boolean {
    return this.#heldBytes > 0;
  }

  /** What the value that is not complete takes, with the room that it has to grow. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** The values that end in `chunk`. @throws StatusError where one is beyond the bounds. */
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
    else if (opens) {
      this.#depth++;
      this.#count();
    } else if (byte === codes.comma && this.#depth > 0) this.#count();
    else if (this.#depth === 0) this.#inWord = true;
    else if (byte === brace.close || byte === codes.close) {
      this.#depth--;
      if (this.#depth === 0) return 'last';
    }
    return 'inside';
  }

  /** Forgets the value that is not complete. */
  drop(): void {
    this.#held = nothing;
    this.#heldBytes = 0;
  }

  #count(): void {
    this.#members += 1;
    const { maxMembers } = this.#bounds;
    if (this.#members > maxMembers)
      throw tooLarge(`conclave: a JSON value of a request has more than ${maxMembers} fields and elements`);
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const needed = this.#heldBytes + bytes.length;
    this.#checkLength(needed);
    if (needed > this.#held.length) {
      const grown = new Uint8Array(Math.max(needed, Math.min(2 * this.#held.length, this.#bounds.maxBytes)));
      grown.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = grown;
    }
    this.#held.set(bytes, this.#heldBytes);
    this.#heldBytes = needed;
  }

  #take(last: Uint8Array): string {
    let all = last;
    if (this.#heldBytes > 0) {
      this.#hold(last);
      all = this.#held.subarray(0, this.#heldBytes);
    } else {
      this.#checkLength(last.length);
    }
    this.drop();
    this.#members = 0;
    return decoder.decode(all);
  }

  #checkLength(bytes: number): void {
    if (bytes > this.#bounds.maxBytes) throw tooLarge('http: request body too large');
  }
}

function tooLarge(text: string): StatusError {
  const trailers = { code: 'too-large', outcome: 'not-applied', retryable: false } as const;
  return new StatusError(statusCodes.resourceExhausted, text, trailers);
}
