import { Budget } from './budget.ts';
import { ConnectionError, errorCodes } from './frames.ts';
import { PingPolicy } from './ping-policy.ts';
import type { Http2Limits } from './types.ts';

/** How often the other side may do what costs it little. All of it throws a ConnectionError where it is too often. */
export class Paces {
  readonly #resets: Budget;
  readonly #idleFrames: Budget;
  readonly #settings: Budget;
  readonly #pings: PingPolicy;

  constructor(limits: Http2Limits, nowMs: () => number) {
    this.#resets = new Budget(limits.resets, nowMs);
    this.#idleFrames = new Budget(limits.idleFrames, nowMs);
    this.#settings = new Budget(limits.settings, nowMs);
    this.#pings = new PingPolicy(limits.keepAliveMinTimeMs, nowMs);
  }

  /** CVE-2023-44487, CVE-2025-8671: opening and resetting costs the other side nothing, and us each time a call. */
  reset(): void {
    if (!this.#resets.take()) throw tooOften('too many streams were reset');
  }

  /** A frame that carries nothing. */
  idleFrame(): void {
    if (!this.#idleFrames.take()) throw tooOften('too many frames that carry nothing');
  }

  settings(): void {
    if (!this.#settings.take()) throw tooOften('too many settings');
  }

  /** `sentBytes`: by us on this connection, so far. */
  ping(openStreams: number, sentBytes: number): void {
    if (!this.#pings.allows(openStreams, sentBytes)) throw tooOften('too_many_pings');
  }
}

function tooOften(message: string): ConnectionError {
  return new ConnectionError(errorCodes.enhanceYourCalm, message);
}
