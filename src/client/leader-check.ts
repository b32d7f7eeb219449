import type { Timer, Timers } from '../runtime/types.ts';
import { services } from '../wire/index.ts';
import type { Link } from './link.ts';

/** How often the member that serves a watch is asked whether it still has a leader to hear changes from. */
const checkEveryMs = 5000;
const checkTimeoutMs = 2000;

/**
 * Asks a member again and again whether it knows a leader, until it does not or says nothing, which is told once. A quiet
 * watch looks the same on a member that is cut off from the rest, which will never hear of a change.
 */
export function checkLeader(link: Link, timers: Timers, onLost: () => void): Timer {
  let cancelled = false;
  let timer: Timer | undefined;
  const arm = (): void => {
    timer = timers.after(checkEveryMs, () => void ask(), { background: true });
  };
  const ask = async (): Promise<void> => {
    const request = { timeoutMs: checkTimeoutMs };
    const answer = await link.unary(services.Maintenance.status, {}, request).catch(() => undefined);
    if (cancelled) return;
    if (answer === undefined || answer.leader === 0n) onLost();
    else arm();
  };
  arm();
  return {
    cancel: () => {
      cancelled = true;
      timer?.cancel();
    },
  };
}
