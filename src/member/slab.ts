/** Memory is taken from the system in pieces of this size. */
const slabBytes = 64 * 1024;
/** What is longer gets memory of its own: cut from slabs, it would leave much of them unused. */
const longBytes = slabBytes / 16;

/**
 * Short byte arrays as parts of larger ones: for V8, a view costs a twentieth of an array with a buffer of its own.
 * What was given out is never given out again; a slab lives as long as the last of its parts, so keep what is taken
 * together and dropped together in the same one.
 */
export class Slab {
  #bytes = new Uint8Array(0);
  #used = 0;

  /** Room for so many bytes, which may hold anything. */
  take(bytes: number): Uint8Array {
    if (bytes > longBytes) return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
    const start = this.#used;
    if (start + bytes <= this.#bytes.length) {
      this.#used = start + bytes;
      return this.#bytes.subarray(start, start + bytes);
    }
    this.#bytes = new Uint8Array(slabBytes);
    this.#used = bytes;
    return this.#bytes.subarray(0, bytes);
  }

  /** A copy of source[start, end). */
  copy(source: Uint8Array, start: number, end: number): Uint8Array {
    const copy = this.take(end - start);
    // A view of the source costs more than a short loop.
    if (copy.length > 48) copy.set(source.subarray(start, end));
    else for (let at = 0; at < copy.length; at++) copy[at] = source[start + at] as number;
    return copy;
  }
}
