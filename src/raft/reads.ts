import type { Core } from './core.ts';
import { quorumValue } from './quorum.ts';
import type { MemberId, RaftEffects, RaftMessage } from './types.ts';

/**
 * Linearizable reads without writing to the log (§8; dissertation §6.4). The leader notes its commit index and then
 * makes sure, by one round of heartbeats shared by all reads that wait, that it still led after they were asked.
 */

/** `peer` 0: a read asked for here, `id` is its readId. Otherwise a follower's, and `id` is the follower's context. */
interface ReadRequest {
  readonly peer: MemberId;
  readonly id: number;
}

interface ReadRound {
  readonly context: number;
  readonly index: number;
  readonly requests: readonly ReadRequest[];
}

/** The reads of one leadership. Contexts count from 1 and belong to its term, so no answer to an older one can match. */
export class LeaderReads {
  /** Asked before an entry of this term was committed: until then the commit index may be behind (§8). */
  held: ReadRequest[] = [];
  /** Join the round that starts with the next drain. */
  waiting: ReadRequest[] = [];
  /** Begun and not confirmed, oldest first. */
  readonly rounds: ReadRound[] = [];
  /** Of the latest round; every append and heartbeat carries it. */
  context = 0;
}

export function requestRead(core: Core, readId: number): void {
  if (core.leadership !== undefined) {
    receiveRead(core, { peer: 0, id: readId });
  } else if (core.leader === 0) {
    core.outbox.readsFailed.push({ readId, reason: 'no-leader' });
  } else {
    core.forwardedReads.waiting.push(readId);
  }
}

export function receiveForwardedRead(core: Core, message: RaftMessage & { type: 'read-index' }): void {
  if (core.leadership === undefined || message.term !== core.term) {
    core.send({
      type: 'read-index-response',
      to: message.from,
      readContext: message.readContext,
      index: 0,
      ok: false,
    });
    return;
  }
  // A follower has one request out at a time: a new one means that it gave up the one before.
  const { reads } = core.leadership;
  reads.held = reads.held.filter((request) => request.peer !== message.from);
  reads.waiting = reads.waiting.filter((request) => request.peer !== message.from);
  receiveRead(core, { peer: message.from, id: message.readContext });
}

function receiveRead(core: Core, request: ReadRequest): void {
  const leadership = core.leadership;
  if (leadership === undefined) return;
  if (core.commitIndex < leadership.ownTermIndex) leadership.reads.held.push(request);
  else if (core.isSoleVoter || leaseHolds(core)) answerRead(core, request, core.commitIndex);
  else if (isVouchedFor(core, request)) answerRead(core, request, core.commitIndex);
  else leadership.reads.waiting.push(request);
}

/**
 * Whether we and who asks are a quorum. It was still in our term when it asked, as we are now, so no later leader was
 * elected before the read began: its question tells as much as the answer to a heartbeat would. With three members that
 * spares each read of a follower a round.
 */
function isVouchedFor(core: Core, { peer }: ReadRequest): boolean {
  return quorumValue(core.configuration, (voter) => (voter === core.id || voter === peer ? 1 : 0)) === 1;
}

/** An entry of this term is committed for the first time: the commit index is now the truth. */
export function releaseHeldReads(core: Core): void {
  const leadership = core.leadership;
  if (leadership === undefined || core.commitIndex < leadership.ownTermIndex) return;
  const held = leadership.reads.held;
  if (held.length === 0) return;
  leadership.reads.held = [];
  for (const request of held) receiveRead(core, request);
}

/** Another configuration is in force: who has answered already may be a quorum of it, and so may we alone. */
export function reviewReads(core: Core): void {
  const leadership = core.leadership;
  if (leadership === undefined) return;
  const { waiting } = leadership.reads;
  leadership.reads.waiting = [];
  for (const request of waiting) receiveRead(core, request);
  confirmReads(core);
}

/** Returns whether a round began, which the followers must then be asked about. */
export function startReadRound(core: Core): boolean {
  const reads = core.leadership?.reads;
  if (reads === undefined || reads.waiting.length === 0) return false;
  reads.context += 1;
  reads.rounds.push({ context: reads.context, index: core.commitIndex, requests: reads.waiting });
  reads.waiting = [];
  return true;
}

/** Answers the rounds that a quorum has acknowledged. */
export function confirmReads(core: Core): void {
  const leadership = core.leadership;
  if (leadership === undefined || leadership.reads.rounds.length === 0) return;
  const { rounds } = leadership.reads;
  const confirmed = quorumValue(core.configuration, (voter) =>
    voter === core.id ? leadership.reads.context : (leadership.progress.get(voter)?.ackedReadContext ?? 0),
  );
  while (rounds[0] !== undefined && rounds[0].context <= confirmed) {
    const { requests, index } = rounds.shift() as ReadRound;
    for (const request of requests) answerRead(core, request, index);
  }
}

/**
 * Lease reads (dissertation §6.4.1): a quorum followed us after the time that it echoed, and none of them votes for
 * another within its election timeout, whatever its clock's rate within the bound.
 */
function leaseHolds(core: Core): boolean {
  const leadership = core.leadership;
  if (leadership === undefined || core.options.leaseReads !== true || leadership.leaseForfeited) return false;
  // Removed by the latest configuration: a sole voter that is left owes us no silence when it starts anew.
  if (!core.isVoter) return false;
  const sinceMs = quorumValue(core.configuration, (voter) =>
    voter === core.id
      ? core.nowMs
      : (leadership.progress.get(voter)?.ackedSentAtMs ?? Number.NEGATIVE_INFINITY),
  );
  return sinceMs >= leadership.leaseNotBeforeMs && core.nowMs < sinceMs + core.timing.readLeaseMs;
}

function answerRead(core: Core, request: ReadRequest, index: number): void {
  if (request.peer === 0) core.outbox.readsReady.push({ readId: request.id, index });
  else
    core.send({
      type: 'read-index-response',
      to: request.peer,
      readContext: request.id,
      index,
      ok: true,
    });
}

/** The leadership ends: nobody can vouch for these any more. */
export function failLeaderReads(core: Core, reads: LeaderReads): void {
  const requests = [...reads.rounds.flatMap((round) => round.requests), ...reads.waiting, ...reads.held];
  for (const request of requests) {
    if (request.peer === 0) core.outbox.readsFailed.push({ readId: request.id, reason: 'leader-changed' });
    else
      core.send({
        type: 'read-index-response',
        to: request.peer,
        readContext: request.id,
        index: 0,
        ok: false,
      });
  }
}

type FailureReason = RaftEffects['readsFailed'][number]['reason'];

/** A follower's reads on their way over the leader. One request is out at a time, for all that arrived before it. */
export class ForwardedReads {
  waiting: number[] = [];
  #asked:
    | { readonly context: number; readonly readIds: readonly number[]; readonly retryAtMs: number }
    | undefined;
  #lastContext: number;

  /**
   * Contexts go on from a random 52-bit number and are never used twice, not for a retry either, so an answer to a
   * request of an earlier life of this member cannot pass for one of this life (etcd-io/etcd#20418).
   */
  constructor(random: () => number) {
    this.#lastContext = Math.floor(random() * 2 ** 20) * 2 ** 32 + Math.floor(random() * 2 ** 32);
  }

  get retryAtMs(): number {
    return this.#asked?.retryAtMs ?? Number.POSITIVE_INFINITY;
  }

  wantsToAsk(core: Core): boolean {
    return this.#asked === undefined && this.waiting.length > 0 && core.leader !== 0;
  }

  /** Asks the leader for all that wait, if nothing is out. */
  flush(core: Core): void {
    if (!this.wantsToAsk(core)) return;
    this.#lastContext += 1;
    const retryAtMs = core.nowMs + core.heartbeatIntervalMs + 2 * core.timing.roundTripMs;
    this.#asked = { context: this.#lastContext, readIds: this.waiting, retryAtMs };
    this.waiting = [];
    core.send({ type: 'read-index', to: core.leader, readContext: this.#lastContext });
  }

  /** No answer: the next flush asks anew, under another number. */
  retry(nowMs: number): void {
    if (this.#asked === undefined || nowMs < this.#asked.retryAtMs) return;
    this.waiting = [...this.#asked.readIds, ...this.waiting];
    this.#asked = undefined;
  }

  answered(core: Core, message: RaftMessage & { type: 'read-index-response' }): void {
    const asked = this.#asked;
    if (asked === undefined || asked.context !== message.readContext || message.from !== core.leader) return;
    this.#asked = undefined;
    for (const readId of asked.readIds) {
      if (message.ok) core.outbox.readsReady.push({ readId, index: message.index });
      else core.outbox.readsFailed.push({ readId, reason: 'leader-changed' });
    }
  }

  failAll(core: Core, reason: FailureReason): void {
    const readIds = [...(this.#asked?.readIds ?? []), ...this.waiting];
    this.#asked = undefined;
    this.waiting = [];
    for (const readId of readIds) core.outbox.readsFailed.push({ readId, reason });
  }
}
