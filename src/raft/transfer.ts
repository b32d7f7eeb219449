import type { Core } from './core.ts';
import type { MemberId } from './types.ts';

/**
 * Hands the leadership to `target` (dissertation §3.10); 0: to the follower that is furthest. The target is caught up
 * first, while proposals are refused; then it is told to campaign at once. The outcome comes as an effect.
 */
export function requestTransfer(core: Core, target: MemberId): void {
  const leadership = core.leadership;
  const chosen = target === 0 ? furthestFollower(core) : target;
  if (leadership === undefined || (core.transfer !== undefined && core.transfer.target !== chosen)) {
    core.outbox.transfers.push({ target: chosen, ok: false });
    return;
  }
  if (core.transfer !== undefined) return;
  if (!leadership.progress.has(chosen) || !core.configuration.voters.includes(chosen)) {
    core.outbox.transfers.push({ target: chosen, ok: chosen === core.id });
    return;
  }
  core.transfer = {
    target: chosen,
    deadlineMs: core.nowMs + core.timing.leaderPatienceMs(core.nowMs),
    sent: false,
  };
  continueTransfer(core);
}

/** Sends TimeoutNow as soon as the target holds our whole log. */
export function continueTransfer(core: Core): void {
  const { leadership, transfer } = core;
  if (leadership === undefined || transfer === undefined || transfer.sent) return;
  if (leadership.progress.get(transfer.target)?.matchIndex !== core.log.lastIndex) return;
  transfer.sent = true;
  // From here on the target may win at any time, however late the message: no read may count on our lease again.
  leadership.leaseForfeited = true;
  core.send({ type: 'timeout-now', to: transfer.target });
}

/** Somebody leads: that is how it ended. */
export function concludeTransfer(core: Core, leader: MemberId): void {
  if (core.transfer === undefined) return;
  core.outbox.transfers.push({ target: core.transfer.target, ok: leader === core.transfer.target });
  core.transfer = undefined;
}

/** It took too long, or the target is gone: proposals are taken again. */
export function abandonTransfer(core: Core): void {
  if (core.transfer === undefined) return;
  core.outbox.transfers.push({ target: core.transfer.target, ok: false });
  core.transfer = undefined;
}

/** Of the followers heard lately, the one with the longest log, and of equals the nearest. 0: there is none. */
export function furthestFollower(core: Core): MemberId {
  let best:
    | { readonly peer: MemberId; readonly matchIndex: number; readonly roundTripMs: number }
    | undefined;
  for (const progress of core.leadership?.progress.values() ?? []) {
    if (core.nowMs - progress.lastContactMs >= core.electionTimeoutMs) continue;
    if (!core.configuration.voters.includes(progress.peer)) continue;
    const further = best === undefined ? 1 : progress.matchIndex - best.matchIndex;
    if (further > 0 || (further === 0 && progress.roundTripMs < (best?.roundTripMs ?? 0))) best = progress;
  }
  return best?.peer ?? 0;
}
