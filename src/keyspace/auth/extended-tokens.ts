/**
 * Tokens that were used past half of their time, with when they end now. One entry in the log extends a token, at
 * most two for each time that it would have lasted; those that nobody uses never come here.
 */
import { copyBytes, finishHash, hashBytes, mixNumber } from '../bytes.ts';

export const maxExtendedTokens = 100_000;

/** Never changed: another one takes its place. */
export interface ExtendedToken {
  readonly id: Uint8Array;
  readonly expiresMs: number;
}

function nameOf(id: Uint8Array): string {
  let name = '';
  for (const byte of id) name += String.fromCharCode(byte);
  return name;
}

export class ExtendedTokens {
  /** In the order in which they were last extended. */
  private readonly tokens = new Map<string, ExtendedToken>();

  get count(): number {
    return this.tokens.size;
  }

  expiresMs(id: Uint8Array): number | undefined {
    return this.tokens.get(nameOf(id))?.expiresMs;
  }

  /** Forgets what has ended, from the front on; and the one extended longest ago where there are too many. */
  extend(id: Uint8Array, expiresMs: number, timeMs: number): void {
    const name = nameOf(id);
    const known = this.tokens.get(name);
    this.tokens.delete(name);
    this.tokens.set(name, {
      id: known?.id ?? copyBytes(id),
      expiresMs: Math.max(known?.expiresMs ?? 0, expiresMs),
    });
    for (const [oldest, { expiresMs: endMs }] of this.tokens) {
      if (endMs >= timeMs && this.tokens.size <= maxExtendedTokens) break;
      this.tokens.delete(oldest);
    }
  }

  clear(): void {
    this.tokens.clear();
  }

  all(): IterableIterator<ExtendedToken> {
    return this.tokens.values();
  }

  hash(): number {
    let hash = this.tokens.size;
    for (const { id, expiresMs } of this.tokens.values()) {
      hash = mixNumber(hash, hashBytes(id, 0, id.length, 0));
      hash = mixNumber(hash, expiresMs);
    }
    return finishHash(hash);
  }
}
