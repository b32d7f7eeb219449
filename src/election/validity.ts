/** How long a lease may be trusted: arithmetic on two clocks, without timers. */
import type { Clock } from '../runtime/types.ts';

/**
 * What a holder takes off a lease of this length, so that it stops before the store lets somebody else in: both
 * clocks may run wrong by `rate`, the holder's slow and the store's fast.
 */
export function clockMarginMs(lengthMs: number, rate: number): number {
  return (lengthMs * 2 * rate) / (1 + rate);
}

/** One instant, read from both clocks. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function readMoment(clock: Clock): Moment {
  return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
}

/**
 * The time a holder must assume has passed: the larger of both clocks', since Linux's monotonic clock stands still
 * while the host sleeps, and the wall clock may be set back.
 */
export function elapsedMs(clock: Clock, since: Moment): number {
  return Math.max(clock.monotonicMs() - since.monotonicMs, clock.wallMs() - since.wallMs);
}

export interface ValidityOptions {
  readonly clock: Clock;
  /** As the store granted it. */
  readonly ttlMs: number;
  readonly clockDriftRate: number;
  /** Of a session bound to its connection: how long it outlives a break. */
  readonly disconnectGraceMs?: number;
}

const leastMs = 0.01;

/** The validity of one session: counted from before the request that granted it was sent. */
export class Validity {
  readonly #clock: Clock;
  readonly #lengthMs: number;
  readonly #graceLengthMs: number;
  #grantedAt: Moment;
  #brokenAt: Moment | undefined;

  constructor(options: ValidityOptions, sentAt: Moment) {
    const { clock, ttlMs, clockDriftRate, disconnectGraceMs = 0 } = options;
    this.#clock = clock;
    this.#lengthMs = ttlMs - clockMarginMs(ttlMs, clockDriftRate);
    this.#graceLengthMs = disconnectGraceMs - clockMarginMs(disconnectGraceMs, clockDriftRate);
    this.#grantedAt = sentAt;
  }

  /** The store confirmed a renewal that was sent at this moment. */
  extend(sentAt: Moment): void {
    if (sentAt.monotonicMs > this.#grantedAt.monotonicMs) this.#grantedAt = sentAt;
  }

  /** The connection broke: from here only the grace counts. A second break does not start it again. */
  disconnect(): void {
    this.#brokenAt ??= readMoment(this.#clock);
  }

  /** The store confirmed a new connection: the last renewal counts again. */
  reconnect(): void {
    this.#brokenAt = undefined;
  }

  get disconnected(): boolean {
    return this.#brokenAt !== undefined;
  }

  /** At most zero: do not act on the lease any more. */
  remainingMs(): number {
    let remaining = this.#lengthMs - elapsedMs(this.#clock, this.#grantedAt);
    if (this.#brokenAt !== undefined) {
      remaining = Math.min(remaining, this.#graceLengthMs - elapsedMs(this.#clock, this.#brokenAt));
    }
    // Less than that is lost in the rounding of large clock readings, and no timer could wait for it.
    return remaining < leastMs ? Math.min(0, remaining) : remaining;
  }

  /** On the monotonic clock. Falls when the wall clock shows that the host slept. */
  validUntilMs(): number {
    return this.#clock.monotonicMs() + this.remainingMs();
  }
}
