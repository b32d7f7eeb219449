import { randomFillSync } from 'node:crypto';
import { NodeDisk } from './disk.ts';
import { NodeKeyDerivation } from './key-derivation.ts';
import { NodeNetwork } from './network.ts';
import type { Clock, Random, Runtime, Timer, Timers } from './types.ts';

let runtime: Runtime | undefined;

/** The real machine, as Node shows it. One object for the whole process. */
export function nodeRuntime(): Runtime {
  runtime ??= {
    clock: new NodeClock(),
    timers: new NodeTimers(),
    random: new NodeRandom(),
    disk: new NodeDisk(),
    network: new NodeNetwork(),
    keyDerivation: new NodeKeyDerivation(),
  };
  return runtime;
}

class NodeClock implements Clock {
  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }
}

/** Node fires at once, with a warning, when asked for more than this. */
const longestDelayMs = 2 ** 31 - 1;

class NodeTimers implements Timers {
  after(delayMs: number, callback: () => void, options: { background?: boolean } = {}): Timer {
    return new NodeTimer(delayMs, callback, options.background ?? false);
  }

  nextTurn(callback: () => void): void {
    setImmediate(callback);
  }
}

class NodeTimer implements Timer {
  readonly #dueMs: number;
  readonly #callback: () => void;
  readonly #background: boolean;
  #handle: NodeJS.Timeout | undefined;

  constructor(delayMs: number, callback: () => void, background: boolean) {
    this.#dueMs = performance.now() + (delayMs > 0 ? delayMs : 0);
    this.#callback = callback;
    this.#background = background;
    this.#arm(delayMs > 0 ? delayMs : 0);
  }

  cancel(): void {
    if (this.#handle !== undefined) clearTimeout(this.#handle);
    this.#handle = undefined;
  }

  #arm(delayMs: number): void {
    // Node drops the fraction of a millisecond, which would fire early.
    this.#handle = setTimeout(this.#fired, Math.min(Math.ceil(delayMs), longestDelayMs));
    if (this.#background) this.#handle.unref();
  }

  readonly #fired = (): void => {
    // Node counts from the start of the loop's turn, so a timer may come up to a millisecond before its time.
    const remainingMs = this.#dueMs - performance.now();
    if (remainingMs > 0) {
      this.#arm(remainingMs);
      return;
    }
    this.#handle = undefined;
    this.#callback();
  };
}

/** Both kinds come from the system's cryptographic generator, drawn in blocks because each draw costs a call. */
class NodeRandom implements Random {
  readonly #block = new Uint32Array(512);
  #used = this.#block.length;
  readonly #bytes = new Uint8Array(2048);
  #bytesUsed = this.#bytes.length;

  unit(): number {
    if (this.#used >= this.#block.length) {
      randomFillSync(this.#block);
      this.#used = 0;
    }
    const high = this.#block[this.#used] ?? 0;
    const low = this.#block[this.#used + 1] ?? 0;
    this.#used += 2;
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  }

  bytes(length: number): Uint8Array {
    if (length > this.#bytes.length / 8) return randomFillSync(new Uint8Array(length));
    if (this.#bytesUsed + length > this.#bytes.length) {
      randomFillSync(this.#bytes);
      this.#bytesUsed = 0;
    }
    const drawn = this.#bytes.slice(this.#bytesUsed, this.#bytesUsed + length);
    // It may become a key.
    this.#bytes.fill(0, this.#bytesUsed, this.#bytesUsed + length);
    this.#bytesUsed += length;
    return drawn;
  }
}
