import { membersOf } from './configuration.ts';
import { type Core, NEVER } from './core.ts';
import { entryBytes } from './log.ts';
import { continueMembershipChange, forgetDeparted, heldBy, isToStepDown } from './membership.ts';
import { Progress } from './progress.ts';
import { quorumValue } from './quorum.ts';
import { confirmReads, LeaderReads, releaseHeldReads } from './reads.ts';
import { becomeFollower, changeLeader } from './roles.ts';
import { abandonTransfer } from './transfer.ts';
import type { Configuration, Entry, EntryKind, MemberId, RaftEffects } from './types.ts';

const DEFAULT_MAX_UNCOMMITTED_BYTES = 64 * 1024 * 1024;
/** Between one and two: the next heartbeat after an answered one is spared, the one after it is not. */
const SPARED_AFTER_INTERVALS = 1.5;

/** What exists only while this member leads. */
export class Leadership {
  readonly progress = new Map<MemberId, Progress>();
  readonly reads = new LeaderReads();
  /** The no-op of this term (§8): what is committed at or after it was counted in this term. */
  readonly ownTermIndex: number;
  /** Of entries above the commit index. */
  uncommittedBytes = 0;
  heartbeatDueMs = NEVER;
  /** A transfer's target was told to campaign: no lease is left. */
  leaseForfeited = false;
  /** Acknowledgements of what was sent before this do not extend the lease. */
  leaseNotBeforeMs = Number.NEGATIVE_INFINITY;
  /** The latest `change-membership`, until it is answered. */
  change: { readonly changeId: number; readonly index: number; readonly before: Configuration } | undefined;

  constructor(ownTermIndex: number) {
    this.ownTermIndex = ownTermIndex;
  }
}

export function becomeLeader(core: Core): void {
  const leadership = new Leadership(core.log.lastIndex + 1);
  core.role = 'leader';
  core.campaign = undefined;
  core.leadership = leadership;
  core.electionDeadlineMs = NEVER;
  core.hintDeadlineMs = NEVER;
  core.stickinessCleared = false;
  core.stoodBack = false;
  core.hintedElections = 0;
  changeLeader(core, core.id);
  for (const peer of membersOf(core.configuration)) {
    if (peer === core.id) continue;
    leadership.progress.set(peer, new Progress(peer, core.log.lastIndex + 1, core.newSession(), core.nowMs));
  }
  for (const entry of core.log.slice(core.commitIndex + 1, core.log.lastIndex)) {
    leadership.uncommittedBytes += entryBytes(entry);
  }
  appendOwn(core, leadership, 'empty', new Uint8Array(0));
  if (leadership.progress.size > 0) leadership.heartbeatDueMs = core.nowMs + core.heartbeatIntervalMs;
}

export function propose(core: Core, proposalId: number, data: Uint8Array): void {
  const reason = refusal(core, data.byteLength);
  if (reason !== undefined || core.leadership === undefined) {
    core.outbox.proposalsRejected.push({ proposalId, reason: reason ?? 'not-leader' });
    return;
  }
  const entry = appendOwn(core, core.leadership, 'command', data);
  core.outbox.proposalsAccepted.push({ proposalId, index: entry.index, term: entry.term });
}

function refusal(
  core: Core,
  sizeBytes: number,
): RaftEffects['proposalsRejected'][number]['reason'] | undefined {
  if (core.leadership === undefined) return 'not-leader';
  if (core.transfer !== undefined) return 'transferring';
  const limit = core.options.maxUncommittedBytes ?? DEFAULT_MAX_UNCOMMITTED_BYTES;
  // With nothing waiting even an oversized one is taken, or it could never be.
  const waiting = core.leadership.uncommittedBytes;
  return waiting > 0 && waiting + sizeBytes > limit ? 'too-many-uncommitted' : undefined;
}

export function appendOwn(core: Core, leadership: Leadership, kind: EntryKind, data: Uint8Array): Entry {
  const entry: Entry = { index: core.log.lastIndex + 1, term: core.term, kind, data };
  core.append(entry);
  leadership.uncommittedBytes += entryBytes(entry);
  return entry;
}

/**
 * Commits what a majority holds durably, ourselves counted like anybody else, by disk; only if it is of our own term,
 * and all before it with it (§5.4.2, figure 8).
 */
export function advanceCommit(core: Core): void {
  const leadership = core.leadership;
  if (leadership === undefined) return;
  const held = quorumValue(core.configuration, (voter) => heldBy(core, leadership, voter));
  if (held > core.commitIndex && core.log.termAt(held) === core.term) commitHeld(core, leadership, held);
  continueMembershipChange(core);
}

function commitHeld(core: Core, leadership: Leadership, held: number): void {
  for (let index = core.commitIndex + 1; index <= held; index += 1) {
    const entry = core.log.entryAt(index);
    if (entry !== undefined) leadership.uncommittedBytes -= entryBytes(entry);
  }
  core.commitTo(held);
  releaseHeldReads(core);
}

/**
 * Anything of this term from `peer`: it followed us as of what it echoes. It is alive, too, but only an answer in this
 * session shows that it can be reached: one of a former session may have been on its way since before that broke.
 */
export function heardFromFollower(
  core: Core,
  peer: MemberId,
  echo: { readonly session: number; readonly readContext: number; readonly sentAtMs: number },
): Progress | undefined {
  const progress = core.leadership?.progress.get(peer);
  if (progress === undefined) return undefined;
  if (echo.session === progress.session) progress.lastContactMs = core.nowMs;
  progress.ackedReadContext = Math.max(progress.ackedReadContext, echo.readContext);
  if (echo.sentAtMs > 0) progress.ackedSentAtMs = Math.max(progress.ackedSentAtMs, echo.sentAtMs);
  confirmReads(core);
  return progress;
}

export function broadcastHeartbeat(core: Core): void {
  const leadership = core.leadership;
  if (leadership === undefined) return;
  for (const progress of leadership.progress.values()) {
    sendHeartbeat(core, leadership, progress, wantsAnswer(core, leadership, progress));
  }
}

/** Also tells a follower that lacks nothing what is committed meanwhile. */
export function sendHeartbeat(
  core: Core,
  leadership: Leadership,
  progress: Progress,
  wantsAnswer: boolean,
): void {
  core.send({
    type: 'heartbeat',
    to: progress.peer,
    // Never above what the follower is known to hold: it takes this on faith.
    commitIndex: Math.min(core.commitIndex, progress.matchIndex),
    session: progress.session,
    readContext: leadership.reads.context,
    sentAtMs: core.nowMs,
    roundTripMs: progress.roundTripMs,
    wantsAnswer,
  });
  progress.noteToldCommit(Math.min(core.commitIndex, progress.matchIndex));
}

/**
 * An answered heartbeat speaks for the next one too: each answer costs an idle leader a wake-up. But a follower that
 * lacks something, a read that waits and a lease need every answer; and one that is late is asked for again each time.
 */
function wantsAnswer(core: Core, leadership: Leadership, progress: Progress): boolean {
  if (!core.timing.sparesAnswers || leadership.reads.rounds.length > 0) return true;
  if (progress.state !== 'replicate' || progress.matchIndex < core.log.lastIndex) return true;
  return core.nowMs - progress.answeredHeartbeatMs > SPARED_AFTER_INTERVALS * core.heartbeatIntervalMs;
}

/** When a quorum will have been silent for too long (dissertation §6.2). */
function quorumDeadlineMs(core: Core, leadership: Leadership): number {
  const heardMs = quorumValue(core.configuration, (voter) =>
    voter === core.id ? NEVER : (leadership.progress.get(voter)?.lastContactMs ?? Number.NEGATIVE_INFINITY),
  );
  return Math.max(heardMs + core.timing.quorumPatienceMs(core.nowMs), core.graceUntilMs);
}

export function leaderDeadlineMs(core: Core, leadership: Leadership): number {
  if (isToStepDown(core)) return core.nowMs;
  const transferMs = core.transfer?.deadlineMs ?? NEVER;
  return Math.min(
    leadership.heartbeatDueMs,
    quorumDeadlineMs(core, leadership),
    core.diskDeadlineMs,
    transferMs,
  );
}

export function tickLeader(core: Core, leadership: Leadership): void {
  if (core.nowMs >= quorumDeadlineMs(core, leadership) || core.diskIsStuck) {
    becomeFollower(core, core.term, 0);
    return;
  }
  if (core.transfer !== undefined && core.nowMs >= core.transfer.deadlineMs) abandonTransfer(core);
  if (isToStepDown(core)) {
    becomeFollower(core, core.term, 0);
    return;
  }
  if (core.nowMs < leadership.heartbeatDueMs) return;
  forgetDeparted(core, leadership);
  core.timing.roundTripMs = slowestOfQuorumMs(core, leadership);
  broadcastHeartbeat(core);
  if (core.transfer?.sent === true) core.send({ type: 'timeout-now', to: core.transfer.target });
  leadership.heartbeatDueMs = leadership.progress.size === 0 ? NEVER : core.nowMs + core.heartbeatIntervalMs;
}

function slowestOfQuorumMs(core: Core, leadership: Leadership): number {
  return -quorumValue(core.configuration, (voter) => -(leadership.progress.get(voter)?.roundTripMs ?? 0));
}
