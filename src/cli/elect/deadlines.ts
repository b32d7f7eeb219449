/**
 * When a command that runs under leadership must be gone, as instants that two processes of one machine agree on.
 * Pure.
 */

/** Readings of both clocks, taken together. `monotonicMs` is CLOCK_MONOTONIC, which all processes here share. */
export interface Instant {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/**
 * Absolute, so that the time which a message spends in the pipe shortens nothing and lengthens nothing. On both
 * clocks, whichever comes first: the monotonic one stands still while the machine sleeps, and the lease does not.
 */
export interface Deadlines {
  readonly terminateAt: Instant;
  readonly killAt: Instant;
}

export interface StopTimes {
  /** From SIGTERM to SIGKILL. */
  readonly killAfterMs: number;
  /** From SIGKILL to the end of the leadership: what the machine may need to deliver it. */
  readonly safetyMs: number;
}

/**
 * The command gets SIGTERM so early that `killAfterMs` are left to it, and SIGKILL `safetyMs` before the
 * leadership could be another's. `now` must have been read before `remainingMs`, else the difference is given away.
 */
export function deadlinesFor(now: Instant, remainingMs: number, times: StopTimes): Deadlines {
  const killInMs = Math.max(0, remainingMs - times.safetyMs);
  const terminateInMs = Math.max(0, killInMs - times.killAfterMs);
  return { terminateAt: after(now, terminateInMs), killAt: after(now, killInMs) };
}

/** The same end, with SIGTERM at once: for a leadership that has ended or is being given up. */
export function terminateNow(now: Instant, deadlines: Deadlines): Deadlines {
  return { terminateAt: now, killAt: deadlines.killAt };
}

/** How long until an instant has come on either clock; 0 or less when it has. */
export function untilMs(now: Instant, instant: Instant): number {
  return Math.min(instant.monotonicMs - now.monotonicMs, instant.wallMs - now.wallMs);
}

/** Stop times that fit a TTL: SIGKILL after a fifth of it unless chosen, and a tenth of it, at most 100 ms, to spare. */
export function stopTimesFor(ttlMs: number, killAfterMs: number | undefined): StopTimes {
  return {
    killAfterMs: killAfterMs ?? Math.round(ttlMs / 5),
    safetyMs: Math.min(100, Math.round(ttlMs / 10)),
  };
}

/**
 * Whether renewals leave room for stopping in time. A lease in good health runs down to about two thirds of its
 * TTL between renewals; a command that needs more than half of it to stop would often be stopped for nothing.
 */
export function fitsTtl(ttlMs: number, times: StopTimes): boolean {
  return times.killAfterMs + times.safetyMs <= ttlMs / 2;
}

function after(now: Instant, delayMs: number): Instant {
  return { monotonicMs: now.monotonicMs + delayMs, wallMs: now.wallMs + delayMs };
}
