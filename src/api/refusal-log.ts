import type { Clock } from '../runtime/types.ts';
import type { Logger } from './types.ts';

const everyMs = 10_000;

/** Logs connections that were turned away, but not a line for each of a flood. */
export function refusalLog(logger: Logger, clock: Clock): (remote: string, reason: string) => void {
  let quietUntilMs = Number.NEGATIVE_INFINITY;
  let unmentioned = 0;
  return (remote, reason) => {
    const nowMs = clock.monotonicMs();
    if (nowMs < quietUntilMs) {
      unmentioned += 1;
      return;
    }
    quietUntilMs = nowMs + everyMs;
    logger.warn({ remote, reason, unmentioned }, 'A connection was refused.');
    unmentioned = 0;
  };
}
