import { ConclaveError } from '../errors/index.ts';
import type { Timer, Timers } from '../runtime/types.ts';
import { services } from '../wire/index.ts';
import { asConclaveError } from './endpoints.ts';
import type { Link } from './link.ts';

/** How often the member that serves a watch is asked whether it still has a leader to hear changes from. */
const checkEveryMs = 5000;
/** And where it had none when it was asked last. */
const checkAgainMs = 1000;
const checkTimeoutMs = 2000;
/** So often a member may have none after a break, before it is left: whoever died may have led, and an election runs. */
const patience = 5;

export interface LeaderCheckListener {
  onFound(): void;
  /** It knows none, or did not answer. */
  onMissing(reason: ConclaveError): void;
  /** The same, once, and not before there was time for an election. */
  onLost(): void;
}

export interface LeaderCheck {
  /** Asks now, not in a while. */
  askNow(): void;
  cancel(): void;
}

/**
 * Asks a member again and again whether it knows a leader. A quiet watch looks the same on a member that is cut off from
 * the rest, which will never hear of a change.
 */
export function checkLeader(link: Link, timers: Timers, listener: LeaderCheckListener): LeaderCheck {
  let cancelled = false;
  let isAsking = false;
  let patienceLeft = 0;
  let timer: Timer | undefined;
  const arm = (delayMs: number): void => {
    if (cancelled) return;
    timer = timers.after(delayMs, () => void ask(), { background: true });
  };
  const ask = async (): Promise<void> => {
    isAsking = true;
    const missing = await leaderMissing(link);
    isAsking = false;
    if (cancelled) return;
    if (missing === undefined) {
      patienceLeft = 0;
      listener.onFound();
      return arm(checkEveryMs);
    }
    listener.onMissing(missing);
    if (patienceLeft === 0) listener.onLost();
    patienceLeft -= 1;
    arm(checkAgainMs);
  };
  arm(checkEveryMs);
  return {
    askNow: () => {
      patienceLeft = patience;
      timer?.cancel();
      if (!isAsking) void ask();
    },
    cancel: () => {
      cancelled = true;
      timer?.cancel();
    },
  };
}

async function leaderMissing(link: Link): Promise<ConclaveError | undefined> {
  try {
    const { leader } = await link.unary(services.Maintenance.status, {}, { timeoutMs: checkTimeoutMs });
    if (leader !== 0n) return undefined;
    return new ConclaveError('no-leader', `${link.endpoint} knows no leader.`, { retryable: true });
  } catch (caught) {
    return asConclaveError(caught, 'Asking for the status');
  }
}
