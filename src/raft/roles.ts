import type { Core } from './core.ts';
import { failLeaderReads } from './reads.ts';
import { concludeTransfer } from './transfer.ts';
import { InvariantViolation, type MemberId } from './types.ts';

/** Between `low` and `high` ms, by the caller's generator. */
export function randomBetween(core: Core, low: number, high: number): number {
  return low + (high - low) * core.options.random();
}

/** A fraction of the spread: a higher priority pulls it towards 0, a lower one towards 1, never out of [0, 1). */
export function biasedFraction(fraction: number, priority: number): number {
  return priority >= 0 ? fraction / (1 + priority) : 1 - (1 - fraction) / (1 - priority);
}

/** Called for the current leader's traffic, for a vote granted and at the start of a campaign; for nothing else (§5.2). */
export function resetElectionTimer(core: Core): void {
  const timeoutMs = core.electionTimeoutMs;
  const fraction = biasedFraction(core.options.random(), core.options.priority ?? 0);
  core.electionDeadlineMs = core.nowMs + timeoutMs * (1 + fraction);
}

/** Follows `leader` of `term`; 0: nobody yet. Ends whatever this member was before. The term never falls. */
export function becomeFollower(core: Core, term: number, leader: MemberId): void {
  if (term < core.term) throw new InvariantViolation(`the term cannot fall from ${core.term} to ${term}`);
  if (term > core.term) {
    core.term = term;
    core.votedFor = 0;
    // The same leader in a new term has forgotten what it was asked in the old one.
    if (leader !== 0 && leader === core.leader) core.forwardedReads.failAll(core, 'leader-changed');
  }
  core.role = 'follower';
  core.campaign = undefined;
  if (core.leadership !== undefined) {
    failLeaderReads(core, core.leadership.reads);
    const { change } = core.leadership;
    if (change !== undefined)
      core.outbox.changes.push({ changeId: change.changeId, ok: false, reason: 'leader-changed' });
    core.leadership = undefined;
    resetElectionTimer(core);
  }
  changeLeader(core, leader);
}

/** What waits for the old leader fails; what waited to see the new one is told. */
export function changeLeader(core: Core, leader: MemberId): void {
  if (core.leader === leader) return;
  core.leader = leader;
  core.forwardedReads.failAll(core, leader === 0 ? 'no-leader' : 'leader-changed');
  if (leader !== 0) concludeTransfer(core, leader);
}

/** Something that only the leader of our term sends has come in (§5.2). */
export function heardFromLeader(core: Core, from: MemberId): void {
  if (core.role === 'leader' || (core.leader !== 0 && core.leader !== from)) {
    throw new InvariantViolation(`members ${core.leader} and ${from} both lead in term ${core.term}`);
  }
  if (core.leaderContactTerm === core.term)
    core.timing.noteLeaderGap(core.nowMs - core.leaderContactMs, core.nowMs);
  becomeFollower(core, core.term, from);
  core.leaderContactMs = core.nowMs;
  core.leaderContactTerm = core.term;
  core.stickinessCleared = false;
  core.stoodBack = false;
  core.hintedElections = 0;
  core.hintDeadlineMs = Number.POSITIVE_INFINITY;
  resetElectionTimer(core);
}
