import { type Core, NEVER } from './core.ts';
import { becomeLeader } from './leadership.ts';
import { tally } from './quorum.ts';
import { becomeFollower, biasedFraction, changeLeader, randomBetween, resetElectionTimer } from './roles.ts';
import type { MemberId, RaftMessage } from './types.ts';

/** After the connection to the leader broke: long enough for one follower to be clearly first. */
const HINT_DELAY_MS = { low: 1, high: 5 };
/** A refused hinted pre-vote: the others may learn of the break a little later. */
const HINT_RETRY_MS = { low: 5, high: 10 };
/** A hinted election that was not won, most likely split: its votes wait for disks. */
const ELECTION_RETRY_MS = { low: 30, high: 60 };
/** For a rival whose hinted campaign came first, to win it. */
const STAND_BACK_MS = { low: 15, high: 30 };

type VoteRequest = RaftMessage & { type: 'pre-vote' | 'vote' };
type VoteResponse = RaftMessage & { type: 'pre-vote-response' | 'vote-response' };

/**
 * Asks whether an election could be won before disturbing anybody with a new term (dissertation §9.6). `hinted`: on a
 * broken connection rather than on silence; then it is repeated shortly, and the election timer runs on as it was.
 */
export function startPreVote(core: Core, hinted: boolean): void {
  core.hintDeadlineMs = NEVER;
  if (!core.mayLead) {
    core.electionDeadlineMs = NEVER;
    return;
  }
  if (!hinted) resetElectionTimer(core);
  // A vote for ourselves could not be made durable.
  if (core.diskIsStuck) return;
  core.role = 'pre-candidate';
  core.campaign = { votes: new Map(), transfer: false, hinted };
  changeLeader(core, 0);
  if (hinted) core.hintDeadlineMs = core.nowMs + randomBetween(core, HINT_RETRY_MS.low, HINT_RETRY_MS.high);
  for (const peer of core.otherVoters) requestVote(core, peer);
  recordVote(core, core.id, true);
}

/** Campaigns in a new term (§5.2). The own vote counts once it is durable, which is also when requests may leave. */
export function startElection(
  core: Core,
  kind: { readonly transfer: boolean; readonly hinted: boolean },
): void {
  core.term += 1;
  core.votedFor = core.id;
  core.role = 'candidate';
  core.campaign = { votes: new Map(), ...kind };
  changeLeader(core, 0);
  resetElectionTimer(core);
  core.hintDeadlineMs = NEVER;
  for (const peer of core.otherVoters) requestVote(core, peer);
}

/** From now, when requests for votes leave, to when the election is given up: what disks and links need, and a bit. */
function votingMs(core: Core): number {
  return (
    core.timing.votingMs(core.nowMs) + randomBetween(core, ELECTION_RETRY_MS.low, ELECTION_RETRY_MS.high)
  );
}

/** Also for one that has just been connected: the first request may have met no connection. */
export function requestVote(core: Core, peer: MemberId): void {
  if (core.campaign === undefined || core.campaign.votes.has(peer)) return;
  const pre = core.role === 'pre-candidate';
  core.send({
    type: pre ? 'pre-vote' : 'vote',
    to: peer,
    // A pre-vote asks about the term that would follow; ours does not change by it.
    term: pre ? core.term + 1 : core.term,
    lastIndex: core.log.lastIndex,
    lastTerm: core.log.lastTerm,
    transfer: core.campaign.transfer,
    hinted: core.campaign.hinted,
  });
}

/** Something became durable; it may be the vote for ourselves, and then the others are being asked as of now. */
export function countOwnVote(core: Core): void {
  if (!ownVoteIsDurable(core) || core.campaign?.votes.has(core.id) !== false) return;
  resetElectionTimer(core);
  core.electionDeadlineMs = Math.max(core.electionDeadlineMs, core.nowMs + votingMs(core));
  if (core.campaign.hinted) {
    core.hintDeadlineMs = core.nowMs + votingMs(core) * 2 ** core.hintedElections;
    core.hintedElections += 1;
  }
  recordVote(core, core.id, true);
}

function ownVoteIsDurable(core: Core): boolean {
  return core.role === 'candidate' && core.durability.isDurable(core.term, core.id);
}

export function receiveVoteResponse(core: Core, message: VoteResponse): void {
  const pre = message.type === 'pre-vote-response';
  if (core.role !== (pre ? 'pre-candidate' : 'candidate')) return;
  // A granted pre-vote carries the term that was asked about.
  if (message.term !== (pre && message.granted ? core.term + 1 : core.term)) return;
  recordVote(core, message.from, message.granted);
}

function recordVote(core: Core, from: MemberId, granted: boolean): void {
  const campaign = core.campaign;
  if (campaign === undefined || campaign.votes.get(from) === true) return;
  campaign.votes.set(from, granted);
  const result = tally(core.configuration, campaign.votes);
  if (result === 'open') return;
  // A hinted pre-vote is repeated shortly anyway.
  if (result === 'lost' && core.role === 'pre-candidate' && campaign.hinted) return;
  if (result === 'lost') becomeFollower(core, core.term, 0);
  else if (core.role === 'candidate') becomeLeader(core);
  else startElection(core, { transfer: false, hinted: campaign.hinted });
}

/** Whether this member stays true to a leader that it believes alive (§6; dissertation §4.2.3), and so answers no rival. */
function isSticky(core: Core): boolean {
  if (core.role === 'leader' || core.nowMs < core.noVoteBeforeMs) return true;
  return !core.stickinessCleared && core.nowMs - core.leaderContactMs < core.electionTimeoutMs;
}

function isUpToDate(core: Core, message: VoteRequest): boolean {
  if (message.lastTerm !== core.log.lastTerm) return message.lastTerm > core.log.lastTerm;
  return message.lastIndex >= core.log.lastIndex;
}

/** Changes nothing here but, between rivals by the same hint, who goes first. */
export function receivePreVote(core: Core, message: VoteRequest): void {
  const type = 'pre-vote-response';
  const ignored = isSticky(core) && !message.transfer;
  if (ignored || message.term <= core.term || core.diskIsStuck || !isUpToDate(core, message)) {
    core.send({ type, to: message.from, granted: false });
    return;
  }
  core.send({ type, to: message.from, term: message.term, granted: true });
  standBack(core, message.from);
}

/** §5.2, §5.4.1. A term learnt from a candidate that is then refused does not reset the election timer. */
export function receiveVote(core: Core, message: VoteRequest): void {
  const type = 'vote-response';
  if (message.term < core.term) {
    core.send({ type, to: message.from, granted: false });
    return;
  }
  // Not even the term is taken: a member that cannot hear the leader must not depose it.
  if (isSticky(core) && !message.transfer) return;
  if (message.term > core.term) becomeFollower(core, message.term, 0);
  const free = core.votedFor === message.from || (core.votedFor === 0 && core.leader === 0);
  if (!free || !isUpToDate(core, message)) {
    core.send({ type, to: message.from, granted: false });
    return;
  }
  if (core.role !== 'follower') becomeFollower(core, core.term, 0);
  core.votedFor = message.from;
  core.hintDeadlineMs = NEVER;
  resetElectionTimer(core);
  core.send({ type, to: message.from, granted: true }, true);
}

/**
 * When a leader's process dies, all followers see it within a millisecond, and two that campaign at once split the
 * vote. So one that has just granted a rival's pre-vote lets it go first; of two that cross, the lower id yields. Once
 * for each break, so that a rival that cannot win holds nobody up.
 */
function standBack(core: Core, rival: MemberId): void {
  if (core.hintDeadlineMs === NEVER || core.stoodBack || core.role === 'candidate') return;
  if (core.role === 'pre-candidate') {
    if (rival < core.id) return;
    becomeFollower(core, core.term, 0);
  }
  core.stoodBack = true;
  const delayMs = randomBetween(core, STAND_BACK_MS.low, STAND_BACK_MS.high);
  core.hintDeadlineMs = core.nowMs + core.timing.votingMs(core.nowMs) + delayMs;
}

/** The connection to `peer` broke. If that is our leader, a pre-vote follows in a moment; nothing else ever does. */
export function hintLeaderLost(core: Core, peer: MemberId): void {
  if (core.role !== 'follower' || core.leader !== peer || core.hintDeadlineMs !== NEVER) return;
  const fraction = biasedFraction(core.options.random(), core.options.priority ?? 0);
  const delayMs = HINT_DELAY_MS.low + (HINT_DELAY_MS.high - HINT_DELAY_MS.low) * fraction;
  if (core.options.leaseReads === true) {
    // The leader may count on our not voting, for ourselves neither, for one election timeout after it was heard.
    core.hintDeadlineMs = Math.max(core.nowMs, core.leaderContactMs + core.electionTimeoutMs) + delayMs;
    return;
  }
  core.stickinessCleared = true;
  core.hintDeadlineMs = core.nowMs + delayMs;
}

/** The leader asks us to take over: no pre-vote, no waiting (dissertation §3.10). */
export function receiveTimeoutNow(core: Core, from: MemberId): void {
  if (core.role !== 'follower' || core.leader !== from || !core.mayLead) return;
  startElection(core, { transfer: true, hinted: false });
}

export function tickElection(core: Core): void {
  if (core.nowMs >= core.electionDeadlineMs) {
    // Nobody has been asked yet: a slow disk, not a lost election. Another term would cost another write.
    if (core.role === 'candidate' && !ownVoteIsDurable(core)) resetElectionTimer(core);
    else startPreVote(core, false);
  }
  if (core.nowMs >= core.hintDeadlineMs) startPreVote(core, true);
}
