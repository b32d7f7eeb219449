import type { Core } from './core.ts';
import { advanceCommit, heardFromFollower, type Leadership, sendHeartbeat } from './leadership.ts';
import { endForFollower } from './membership.ts';
import type { Progress } from './progress.ts';
import { continueTransfer } from './transfer.ts';
import { InvariantViolation, type MemberId, type RaftMessage } from './types.ts';

const DEFAULT_MAX_APPEND_BYTES = 1024 * 1024;
const DEFAULT_MAX_INFLIGHT_APPENDS = 64;
const DEFAULT_MAX_INFLIGHT_BYTES = 16 * 1024 * 1024;

/** Sends each follower what it lacks, once for each drain: everything proposed since the last goes together. */
export function replicate(core: Core, leadership: Leadership): void {
  for (const progress of leadership.progress.values()) {
    if (progress.state === 'probe') sendProbe(core, leadership, progress);
    else if (progress.state === 'replicate') sendPipelined(core, leadership, progress);
  }
}

/** Whether that would send anything. */
export function hasToReplicate(core: Core, leadership: Leadership): boolean {
  for (const progress of leadership.progress.values()) {
    if (progress.state === 'probe' && !progress.paused) return true;
    if (progress.state !== 'replicate') continue;
    if (progress.verify || hasUntoldCommit(core, progress)) return true;
    if (progress.nextIndex <= endForFollower(core, progress) && hasRoom(core, progress)) return true;
  }
  return false;
}

function hasRoom({ options }: Core, { inflight }: Progress): boolean {
  return (
    inflight.count < (options.maxInflightAppends ?? DEFAULT_MAX_INFLIGHT_APPENDS) &&
    inflight.bytes < (options.maxInflightBytes ?? DEFAULT_MAX_INFLIGHT_BYTES)
  );
}

function hasUntoldCommit(core: Core, progress: Progress): boolean {
  return progress.sentCommitIndex < Math.min(core.commitIndex, progress.matchIndex);
}

function sendProbe(core: Core, leadership: Leadership, progress: Progress): void {
  if (progress.paused) return;
  progress.paused = true;
  const { to } = core.log.endWithin(
    progress.nextIndex,
    core.options.maxAppendBytes ?? DEFAULT_MAX_APPEND_BYTES,
  );
  sendAppend(core, leadership, progress, Math.min(to, endForFollower(core, progress)));
}

function sendPipelined(core: Core, leadership: Leadership, progress: Progress): void {
  const maxAppendBytes = core.options.maxAppendBytes ?? DEFAULT_MAX_APPEND_BYTES;
  const end = endForFollower(core, progress);
  let sent = false;
  while (progress.nextIndex <= end && hasRoom(core, progress)) {
    const within = core.log.endWithin(progress.nextIndex, maxAppendBytes);
    const { bytes } = within;
    const to = Math.min(within.to, end);
    if (!sendAppend(core, leadership, progress, to)) return;
    progress.inflight.add(to, bytes);
    progress.nextIndex = to + 1;
    sent = true;
  }
  // It need not wait for the next entry to say what it misses, nor to hear what is committed; that needs no answer.
  if (!sent && progress.verify) sendAppend(core, leadership, progress, progress.nextIndex - 1);
  else if (!sent && hasUntoldCommit(core, progress)) sendHeartbeat(core, leadership, progress, false);
  progress.verify = false;
}

/** Entries from `nextIndex` to `to`. Returns false when what precedes them is compacted: then a snapshot must go. */
function sendAppend(core: Core, leadership: Leadership, progress: Progress, to: number): boolean {
  const previousIndex = progress.nextIndex - 1;
  const previousTerm = core.log.termAt(previousIndex);
  if (previousTerm === undefined) {
    if (core.log.snapshot === undefined || previousIndex > core.log.lastIndex) {
      throw new InvariantViolation(
        `entry ${previousIndex}, before what member ${progress.peer} needs, is unknown`,
      );
    }
    progress.becomeSnapshot();
    core.outbox.sendSnapshots.push({ to: progress.peer, session: progress.session, term: core.term });
    return false;
  }
  const commitIndex = Math.min(core.commitIndex, to);
  core.send({
    type: 'append',
    to: progress.peer,
    previousIndex,
    previousTerm,
    entries: core.log.slice(progress.nextIndex, to),
    commitIndex,
    session: progress.session,
    readContext: leadership.reads.context,
    sentAtMs: core.nowMs,
  });
  progress.noteToldCommit(commitIndex);
  return true;
}

export function receiveAppendResponse(core: Core, message: RaftMessage & { type: 'append-response' }): void {
  const progress = heardFromFollower(core, message.from, message);
  if (progress === undefined || message.session !== progress.session) return;
  if (!message.accepted) {
    backtrack(core, progress, message);
    return;
  }
  if (message.matchIndex > core.log.lastIndex) {
    throw new InvariantViolation(
      `member ${message.from} acknowledges entry ${message.matchIndex}, but the log ends at ${core.log.lastIndex}`,
    );
  }
  const rose = progress.acknowledge(message.matchIndex);
  if (progress.state === 'probe') progress.becomeReplicate();
  else if (progress.state === 'snapshot' && progress.matchIndex >= core.log.baseIndex)
    progress.becomeReplicate();
  if (!rose) return;
  advanceCommit(core);
  continueTransfer(core);
}

/** The follower's log differs before what we sent: go back by whole terms (§5.3). */
function backtrack(core: Core, progress: Progress, message: RaftMessage & { type: 'append-response' }): void {
  const rejectedIndex = message.matchIndex;
  if (progress.state === 'replicate') {
    // Something in between was lost, so what came after it did not fit.
    if (rejectedIndex > progress.matchIndex) progress.becomeProbe(progress.matchIndex + 1);
    return;
  }
  if (progress.state !== 'probe' || rejectedIndex !== progress.nextIndex - 1) return;
  const agreed = core.log.lastWithTermAtMost(message.hintIndex, message.hintTerm);
  progress.becomeProbe(Math.min(rejectedIndex, agreed + 1));
}

export function receiveHeartbeatResponse(
  core: Core,
  message: RaftMessage & { type: 'heartbeat-response' },
): void {
  const progress = heardFromFollower(core, message.from, message);
  if (progress === undefined) return;
  if (message.sentAtMs > 0) {
    progress.noteRoundTrip(Math.max(0, core.nowMs - message.sentAtMs));
    progress.answeredHeartbeatMs = Math.max(progress.answeredHeartbeatMs, message.sentAtMs);
  }
  if (message.session !== progress.session) return;
  progress.paused = false;
  if (progress.deliveredSnapshotIndex > 0) progress.becomeProbe(progress.deliveredSnapshotIndex + 1);
  if (progress.matchIndex < core.log.lastIndex) progress.verify = true;
}

export function snapshotSent(
  core: Core,
  peer: MemberId,
  ok: boolean,
  index: number,
  session: number | undefined,
): void {
  const progress = core.leadership?.progress.get(peer);
  if (progress === undefined || progress.state !== 'snapshot') return;
  if (session !== undefined && session !== progress.session) return;
  if (ok) {
    progress.deliveredSnapshotIndex = index;
    return;
  }
  // Not at once: the next heartbeat's answer, which shows the follower alive, brings the next attempt.
  progress.becomeProbe(progress.matchIndex + 1);
  progress.paused = true;
}
