import type { Core } from './core.ts';
import { hintLeaderLost, requestVote } from './election.ts';
import { isVoter } from './quorum.ts';
import { randomBetween } from './roles.ts';
import { abandonTransfer } from './transfer.ts';
import type { MemberId } from './types.ts';

/** What the driver notices of connections and of its own pauses. Hints, all of them: no safety rule looks at these. */

export function peerConnected(core: Core, peer: MemberId): void {
  core.leadership?.progress.get(peer)?.restart(core.newSession());
  if (core.campaign !== undefined && isVoter(core.configuration, peer)) requestVote(core, peer);
}

export function peerDisconnected(core: Core, peer: MemberId): void {
  const progress = core.leadership?.progress.get(peer);
  if (progress === undefined) {
    hintLeaderLost(core, peer);
    return;
  }
  if (progress.departedAtIndex > 0) {
    core.leadership?.progress.delete(peer);
    return;
  }
  progress.restart(core.newSession());
  // Nothing would arrive: a heartbeat's answer or the next connection lets it go on.
  progress.paused = true;
  if (core.transfer?.target === peer && !core.transfer.sent) abandonTransfer(core);
}

/**
 * Time in which we were deaf proves nothing about others: they get one more heartbeat interval to be heard. But only
 * once in a timeout: a loop that is late all the time would otherwise never campaign, nor ever give up a leadership.
 */
export function stalled(core: Core, stallMs: number): void {
  core.timing.noteStall(stallMs, core.nowMs);
  core.leaderContactTerm = 0;
  if (core.leadership !== undefined) {
    if (core.leadership.progress.size > 0) core.leadership.heartbeatDueMs = core.nowMs;
    core.leadership.leaseNotBeforeMs = core.nowMs;
  }
  if (core.nowMs - core.graceFromMs < core.timing.leaderPatienceMs(core.nowMs)) return;
  const intervalMs = Math.max(core.heartbeatIntervalMs, 2 * core.timing.roundTripMs);
  core.graceFromMs = core.nowMs;
  core.graceUntilMs = core.nowMs + intervalMs;
  if (core.leadership !== undefined || core.isSoleVoter) return;
  // Not all at the same moment, should the whole host have stood still.
  const earliestMs = core.nowMs + randomBetween(core, intervalMs, 2 * intervalMs);
  core.electionDeadlineMs = Math.max(core.electionDeadlineMs, earliestMs);
  if (core.leader !== 0) {
    core.leaderContactMs = Math.max(core.leaderContactMs, core.graceUntilMs - core.electionTimeoutMs);
  }
}
