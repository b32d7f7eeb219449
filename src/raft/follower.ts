import type { Core } from './core.ts';
import { heardFromLeader } from './roles.ts';
import {
  type Entry,
  InvariantViolation,
  type MemberId,
  type RaftMessage,
  type SnapshotMeta,
} from './types.ts';

type Append = RaftMessage & { type: 'append' };

export function receiveAppend(core: Core, message: Append): void {
  heardFromLeader(core, message.from);
  const { previousIndex, previousTerm, entries } = message;
  if (previousIndex < core.commitIndex) {
    assertAgrees(core, message);
    respond(core, message, true, core.commitIndex);
    return;
  }
  if (core.log.termAt(previousIndex) !== previousTerm) {
    reject(core, message);
    return;
  }
  if (!isWellFormed(message)) return;
  appendFrom(core, entries);
  const lastNew = previousIndex + entries.length;
  core.commitTo(Math.min(message.commitIndex, lastNew));
  respond(core, message, true, lastNew);
}

/** What is committed agrees with every later leader's log (§5.4.3): its own may only go on from there. */
function assertAgrees(core: Core, { from, term, previousIndex, previousTerm, entries }: Append): void {
  const claims = [{ index: previousIndex, term: previousTerm }, ...entries];
  for (const claim of claims) {
    const ours = claim.index <= core.commitIndex ? core.log.termAt(claim.index) : undefined;
    if (ours === undefined || ours === claim.term) continue;
    throw new InvariantViolation(
      `entry ${claim.index} is committed with term ${ours}, but leader ${from} of term ${term} has it with ${claim.term}`,
    );
  }
}

/** Appends what is not there yet; deletes what conflicts, and only then what follows it (§5.3). */
function appendFrom(core: Core, entries: readonly Entry[]): void {
  let known = 0;
  while (
    known < entries.length &&
    core.log.termAt((entries[known] as Entry).index) === (entries[known] as Entry).term
  ) {
    known += 1;
  }
  const first = entries[known];
  if (first === undefined) return;
  if (first.index <= core.log.lastIndex) {
    if (first.index <= core.commitIndex) {
      throw new InvariantViolation(
        `committed entry ${first.index} would be replaced by one of term ${first.term}`,
      );
    }
    core.log.truncateFrom(first.index);
    core.durability.truncated(first.index);
    core.configurations.truncateFrom(first.index);
  }
  for (let position = known; position < entries.length; position += 1)
    core.append(entries[position] as Entry);
}

function isWellFormed({ term, previousIndex, previousTerm, entries }: Append): boolean {
  let lastTerm = previousTerm;
  for (let position = 0; position < entries.length; position += 1) {
    const entry = entries[position] as Entry;
    if (entry.index !== previousIndex + 1 + position || entry.term < lastTerm || entry.term > term)
      return false;
    lastTerm = entry.term;
  }
  return true;
}

/** Tells where the logs can agree at best: the last entry of ours whose term the leader's log may have (§5.3). */
function reject(core: Core, message: Append): void {
  const hintIndex = core.log.lastWithTermAtMost(
    Math.min(message.previousIndex, core.log.lastIndex),
    message.previousTerm,
  );
  core.send({
    type: 'append-response',
    to: message.from,
    accepted: false,
    matchIndex: message.previousIndex,
    hintIndex,
    hintTerm: core.log.termAt(hintIndex) ?? 0,
    session: message.session,
    readContext: message.readContext,
    sentAtMs: message.sentAtMs,
  });
}

type Echo = Pick<Append, 'session' | 'readContext' | 'sentAtMs'> & { readonly from: MemberId };

/** An acknowledgement promises that everything up to `matchIndex` survives a crash, so it waits for the disk. */
function respond(core: Core, echo: Echo, accepted: boolean, matchIndex: number): void {
  core.send(
    {
      type: 'append-response',
      to: echo.from,
      accepted,
      matchIndex,
      hintIndex: 0,
      hintTerm: 0,
      session: echo.session,
      readContext: echo.readContext,
      sentAtMs: echo.sentAtMs,
    },
    core.durability.installing || matchIndex > core.durability.durableIndex,
  );
}

export function receiveHeartbeat(core: Core, message: RaftMessage & { type: 'heartbeat' }): void {
  heardFromLeader(core, message.from);
  core.timing.roundTripMs = message.roundTripMs;
  core.commitTo(message.commitIndex);
  if (!message.wantsAnswer) return;
  core.send({
    type: 'heartbeat-response',
    to: message.from,
    session: message.session,
    readContext: message.readContext,
    sentAtMs: message.sentAtMs,
  });
}

/** A leader of an older term must learn of ours, or a member with a newer one could never follow it. */
export function answerStaleLeader(core: Core, message: RaftMessage): void {
  core.send({
    type: 'append-response',
    to: message.from,
    accepted: false,
    matchIndex: 0,
    hintIndex: 0,
    hintTerm: 0,
    session: 0,
    readContext: 0,
    sentAtMs: 0,
  });
}

/** A whole snapshot is here (§7). Taken if it is ahead of what we know to be committed; the answer follows its write. */
export function receiveSnapshot(core: Core, from: MemberId, session: number, snapshot: SnapshotMeta): void {
  heardFromLeader(core, from);
  const echo: Echo = { from, session, readContext: 0, sentAtMs: 0 };
  if (snapshot.index <= core.commitIndex) {
    respond(core, echo, true, core.commitIndex);
    return;
  }
  const keepsRest = core.log.termAt(snapshot.index) === snapshot.term;
  core.durability.installSnapshot(snapshot, from, keepsRest, core.commitIndex);
  if (!keepsRest) core.configurations.truncateFrom(0);
  core.log.restore(snapshot, keepsRest);
  core.configurations.rebase(snapshot);
  core.commitTo(snapshot.index);
  core.handedOutIndex = snapshot.index;
  respond(core, echo, true, snapshot.index);
}
