import { configurationOf, encodeConfiguration, faultOf, isJoint, membersOf } from './configuration.ts';
import { type Core, NEVER } from './core.ts';
import { appendOwn, type Leadership } from './leadership.ts';
import { Progress } from './progress.ts';
import { quorumValue } from './quorum.ts';
import { reviewReads } from './reads.ts';
import { becomeFollower } from './roles.ts';
import { abandonTransfer, furthestFollower, requestTransfer } from './transfer.ts';
import type { Configuration, MemberId, MembershipRefusal, RaftEvent } from './types.ts';

/**
 * Changes of the configuration (§6; dissertation §4). What keeps them safe: a configuration is in force from the moment
 * its entry is in the log; the next is refused until it is committed and applied, and until something of the leader's
 * own term is committed; and the quorums of two that follow each other overlap, as they differ by one voter or one of
 * them is joint.
 */

/** A learner may vote when it holds so much of the log: otherwise a new voter could hold up all writes. Etcd's figure. */
const CAUGHT_UP_FRACTION = 0.9;
/** So long a leader goes on telling one that is no member any more. */
const DEPARTURE_MS = 5_000;

type Change = RaftEvent & { type: 'change-membership' };

export function changeMembership(core: Core, change: Change): void {
  const { leadership } = core;
  const reason = refusal(core, change);
  if (leadership === undefined || reason !== undefined) {
    core.outbox.changes.push({ changeId: change.changeId, ok: false, reason: reason ?? 'not-leader' });
    return;
  }
  const before = core.configuration;
  const { voters, learners, context } = change;
  const outgoing = differByOneAtMost(before.voters, voters) ? undefined : before.voters;
  putInForce(core, leadership, configurationOf({ voters, outgoing, learners, context }));
  const { index } = core.configurations.latest;
  leadership.change = { changeId: change.changeId, index, before };
}

function refusal(core: Core, change: Change): MembershipRefusal | undefined {
  const { leadership, configuration } = core;
  const { index } = core.configurations.latest;
  if (leadership === undefined) return 'not-leader';
  if (change.voters.length === 0 || faultOf(change) !== undefined) return 'invalid';
  // Else entries of two configurations that do not overlap could both seem committed (dissertation §4.1, as corrected).
  if (core.commitIndex < leadership.ownTermIndex || core.transfer !== undefined) return 'not-ready';
  if (index > core.appliedIndex || isJoint(configuration)) return 'in-progress';
  if (index !== change.basedOn) return 'outdated';
  const needed = CAUGHT_UP_FRACTION * core.log.lastIndex;
  const promoted = change.voters.filter((voter) => configuration.learners?.includes(voter));
  const lags = promoted.some((voter) => (leadership.progress.get(voter)?.matchIndex ?? 0) < needed);
  return lags ? 'not-caught-up' : undefined;
}

function differByOneAtMost(before: readonly MemberId[], after: readonly MemberId[]): boolean {
  const added = after.filter((voter) => !before.includes(voter)).length;
  const removed = before.filter((voter) => !after.includes(voter)).length;
  return added + removed <= 1;
}

function putInForce(core: Core, leadership: Leadership, configuration: Configuration): void {
  appendOwn(core, leadership, 'configuration', encodeConfiguration(configuration));
  followMembers(core, leadership);
  reviewReads(core);
}

/** Entries go to whoever is a member by the configuration in force, and for a while to those who just were. */
function followMembers(core: Core, leadership: Leadership): void {
  const { progress } = leadership;
  const { index, configuration } = core.configurations.latest;
  const peers = membersOf(configuration).filter((member) => member !== core.id);
  for (const peer of peers) {
    if (progress.get(peer)?.departedAtIndex === 0) continue;
    // One that comes back begins anew: what it acknowledged before does not count.
    progress.set(peer, new Progress(peer, core.log.lastIndex + 1, core.newSession(), core.nowMs));
  }
  for (const other of progress.values()) {
    if (other.departedAtIndex > 0 || peers.includes(other.peer)) continue;
    other.departedAtIndex = index;
    other.departsByMs = core.nowMs + DEPARTURE_MS;
  }
  if (progress.size > 0 && leadership.heartbeatDueMs === NEVER)
    leadership.heartbeatDueMs = core.nowMs + core.heartbeatIntervalMs;
  const { transfer } = core;
  if (transfer?.sent === false && !configuration.voters.includes(transfer.target)) abandonTransfer(core);
}

/** Those who have been told that they are no members, or do not hear it, are left alone. */
export function forgetDeparted(core: Core, leadership: Leadership): void {
  for (const peer of leadership.progress.values()) {
    if (peer.departedAtIndex === 0) continue;
    const told = peer.sentCommitIndex >= peer.departedAtIndex && peer.matchIndex >= peer.departedAtIndex;
    if (told || core.nowMs >= peer.departsByMs) leadership.progress.delete(peer.peer);
  }
}

/**
 * What of the log a follower may have. Who has departed gets the entry that says so only when it is committed: if the
 * leader died before, one who counts for nothing any more would refuse its vote to those who lack that entry.
 */
export function endForFollower(core: Core, { departedAtIndex }: Progress): number {
  return departedAtIndex > core.commitIndex ? departedAtIndex - 1 : core.log.lastIndex;
}

/** Something was acknowledged, committed or applied: the change that is under way may have come further. */
export function continueMembershipChange(core: Core): void {
  const { leadership } = core;
  if (leadership === undefined) return;
  answerChange(core, leadership);
  const { index, configuration } = core.configurations.latest;
  if (core.commitIndex < Math.max(index, leadership.ownTermIndex)) return;
  if (!isJoint(configuration)) retire(core);
  else if (core.appliedIndex >= index) {
    const { voters, learners, context } = configuration;
    putInForce(core, leadership, configurationOf({ voters, learners, context }));
  }
}

/**
 * A change stands when a quorum of the configuration *before* it holds its entry durably: in this term, so that no later
 * leader can lack it, whichever of the two elects it. That may be long before it is committed: the second member of two
 * can be started only once it is told that it is one.
 */
function answerChange(core: Core, leadership: Leadership): void {
  const { change } = leadership;
  if (change === undefined) return;
  const { changeId, index, before } = change;
  const held = quorumValue(before, (voter) => heldBy(core, leadership, voter));
  if (Math.max(held, core.commitIndex) < index) return;
  core.outbox.changes.push({ changeId, ok: true, index, term: core.term });
  leadership.change = undefined;
}

/** What this voter is known to hold durably, ourselves like anybody else. */
export function heldBy(core: Core, leadership: Leadership, voter: MemberId): number {
  return voter === core.id ? core.durability.durableIndex : (leadership.progress.get(voter)?.matchIndex ?? 0);
}

/** Its own removal is committed (dissertation §4.2.2): it hands over if somebody is there to take over. */
function retire(core: Core): void {
  if (core.isVoter || core.transfer !== undefined) return;
  const successor = furthestFollower(core);
  if (successor === 0) becomeFollower(core, core.term, 0);
  else requestTransfer(core, successor);
}

/** It led without being a member any more only to hand over, and that has failed. */
export function isToStepDown(core: Core): boolean {
  const { index } = core.configurations.latest;
  return !core.isVoter && core.transfer === undefined && core.commitIndex >= index;
}
