import { ConnectionError, errorCodes } from './frames.ts';
import { HeaderBlockError, HeaderDecoder, type HeaderField } from './hpack/decoder.ts';
import { type RequestHead, requestHead } from './request-head.ts';
import type { Http2Limits } from './types.ts';

/** What a header block turned out to be. */
export type Head =
  | { readonly kind: 'request'; readonly head: RequestHead }
  | { readonly kind: 'malformed'; readonly fields: readonly HeaderField[] }
  | { readonly kind: 'too-large' };

/** Decoded blocks that are kept, for as long as equal bytes mean the same. */
const keptHeads = 256;
/** Longer blocks are not worth keeping. */
const longestKeptBytes = 512;
const headerTableBytes = 4096;

/** Of one connection, about what kept heads take; a field takes so much beside its characters. */
const mostKeptBytes = 128 * 1024;
const fieldBytes = 100;

interface Kept {
  readonly block: Uint8Array;
  readonly head: Head;
}

/** Puts header blocks together from their frames and decodes them; blocks that repeat only once. */
export class HeaderBlocks {
  readonly #decoder: HeaderDecoder;
  readonly #limits: Http2Limits;
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;
  #keptAt = 0;
  /** The block before this one, where its head is kept: a caller's calls mostly look alike. */
  #last: Kept | undefined;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(limits: Http2Limits) {
    this.#limits = limits;
    this.#decoder = new HeaderDecoder({
      maxTableBytes: headerTableBytes,
      maxListBytes: limits.maxHeaderListBytes,
    });
  }

  /** One more frame of a block that has several. @throws ConnectionError when there are too many, or too large ones */
  add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (
      this.#bytes > this.#limits.maxHeaderBlockBytes ||
      this.#pieces.length > this.#limits.maxHeaderFrames
    ) {
      throw new ConnectionError(errorCodes.enhanceYourCalm, 'a header block is too large');
    }
  }

  /** The block that the added frames make. */
  finish(): Head {
    const block = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      block.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    this.#bytes = 0;
    return this.decode(block, 0, block.length);
  }

  /** A block that came in one frame. @throws ConnectionError */
  decode(bytes: Uint8Array, from: number, to: number): Head {
    if (to - from > longestKeptBytes) return this.#decoded(bytes.subarray(from, to));
    if (this.#keptAt !== this.#decoder.generation) {
      this.#kept.clear();
      this.#keptBytes = 0;
      this.#last = undefined;
      this.#keptAt = this.#decoder.generation;
    }
    if (this.#last !== undefined && equalsPart(this.#last.block, bytes, from, to)) return this.#last.head;
    const block = bytes.subarray(from, to);
    const key = latin1(block);
    this.#last = this.#kept.get(key);
    if (this.#last !== undefined) return this.#last.head;
    const head = this.#decoded(block);
    // A block that changed the table means something else when it comes again.
    if (this.#keptAt !== this.#decoder.generation || this.#kept.size >= keptHeads) return head;
    const headBytes = bytesOf(block, head);
    if (this.#keptBytes + headBytes > mostKeptBytes) return head;
    this.#keptBytes += headBytes;
    this.#last = { block: Uint8Array.from(block), head };
    this.#kept.set(key, this.#last);
    return head;
  }

  #decoded(block: Uint8Array): Head {
    try {
      const decoded = this.#decoder.decode(block);
      if ('tooLarge' in decoded) return { kind: 'too-large' };
      const head = requestHead(decoded.fields);
      return head === undefined ? { kind: 'malformed', fields: decoded.fields } : { kind: 'request', head };
    } catch (error) {
      if (error instanceof HeaderBlockError) throw new ConnectionError(errorCodes.compression, error.message);
      throw error;
    }
  }
}

function bytesOf(block: Uint8Array, head: Head): number {
  let bytes = 2 * block.length + fieldBytes;
  if (head.kind === 'too-large') return bytes;
  const fields = head.kind === 'request' ? head.head.fields : head.fields;
  for (const [name, value] of fields) bytes += fieldBytes + name.length + value.length;
  return bytes;
}

function equalsPart(block: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (block.length !== to - from) return false;
  for (let at = 0; at < block.length; at++) if (block[at] !== bytes[from + at]) return false;
  return true;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
