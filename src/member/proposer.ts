import { Bag, NumberTable } from '../collections/index.ts';
import { ConclaveError } from '../errors/index.ts';
import {
  type Command,
  type CommandAuthor,
  type CommandIdentity,
  type CommandResult,
  decodeCommandResult,
} from '../keyspace/index.ts';
import type { Interruptions } from './interruptions.ts';
import type { LocalOutcome } from './local-proposals.ts';
import { OwnIdentity } from './own-identity.ts';
import { encode, newProposal, outcomeOf, type Proposal } from './proposal.ts';
import {
  notUnderstood,
  resultTooLarge,
  stopping,
  timedOut,
  tooLarge,
  tooMany,
  tooManyHere,
  unknownOutcome,
} from './proposal-errors.ts';
import type { LeaderRequest, LeaderResponse } from './requests.ts';
import { UnappliedResults } from './unapplied-results.ts';

/** What the proposer needs of the member around it. */
export interface ProposerContext {
  nowMs(): number;
  readonly memberId: number;
  readonly interruptions: Pick<Interruptions, 'moment' | 'since'>;
  /**
   * Below all request ids. Drawn anew for each life of the member: the leader may still answer requests of the one
   * before, and such an answer must not pass for one to a request of this life.
   */
  readonly firstRequestId: number;
  /** Submits to this member's own log; `done` is called once. */
  submitLocally(encoded: Uint8Array, done: (outcome: LocalOutcome) => void): void;
  /** False where the member is not connected. */
  sendRequest(leader: number, request: LeaderRequest): boolean;
}

/** Of one command: what a frame between members carries, with room to spare. */
const maxCommandBytes = 32 * 1024 * 1024;
/** Of all commands under way here. Without a leader they wait in memory until their time is up. */
const maxActiveBytes = 128 * 1024 * 1024;
/**
 * Where nobody has led for so long, those whose time is nearly up are told now: an answer that leaves when it is up does not
 * reach a caller that waits as long.
 */
const leaderlessMs = 1000;
const earlierMs = 250;
/** A leader that is connected and silent for so long has lost the request: it is sent again, under its identity. */
const resendAfterMs = 2000;
const registerWithinMs = 5000;

/**
 * Brings a command to the Raft leader, wherever that is, until it is applied or its time is up. A command that
 * leaves this member carries an identity, so that sending it again after an ambiguous failure applies it once.
 */
export class Proposer {
  private readonly context: ProposerContext;
  private leader = 0;
  private leaderlessSinceMs: number;
  private readonly active = new Bag<Proposal>();
  private activeBytes = 0;
  private readonly waiting = new Set<Proposal>();
  private readonly asked = new NumberTable<Proposal>();
  private nextRequestId: number;
  private readonly own: OwnIdentity;
  private readonly unapplied = new UnappliedResults();
  private stopped = false;
  private failed = 0;

  constructor(context: ProposerContext) {
    this.context = context;
    this.nextRequestId = context.firstRequestId;
    this.leaderlessSinceMs = context.nowMs();
    this.own = new OwnIdentity({
      register: () => this.register(),
      onRoom: () => this.routeWaiting(),
    });
  }

  get figures(): { pending: number; failed: number } {
    return { pending: this.active.size, failed: this.failed };
  }

  get busy(): boolean {
    return this.active.size > 0;
  }

  propose(
    command: Command,
    deadlineMs: number,
    identity: CommandIdentity | undefined,
    signal: AbortSignal | undefined,
    author?: CommandAuthor | undefined,
  ): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      if (this.stopped) return reject(stopping('not-applied'));
      if (signal?.aborted) return reject(ConclaveError.aborted('The proposal', signal));
      // At once, so that one that cannot be encoded fails here, and not in the turn that finds a leader for it.
      const encoded = encode(command, identity, author);
      if (encoded.length > maxCommandBytes) return reject(tooLarge(encoded.length, maxCommandBytes));
      if (this.activeBytes > 0 && this.activeBytes + encoded.length > maxActiveBytes)
        return reject(tooManyHere());
      const moment = this.context.interruptions.moment;
      const proposal = newProposal({
        command,
        author,
        deadlineMs,
        identity,
        encoded,
        moment,
        resolve,
        reject,
      });
      if (signal !== undefined) this.heed(signal, proposal);
      this.active.add(proposal);
      this.activeBytes += proposal.sizeBytes;
      this.route(proposal);
    });
  }

  private heed(signal: AbortSignal, proposal: Proposal): void {
    const onAbort = () => {
      const options = { outcome: outcomeOf(proposal), cause: signal.reason };
      this.fail(proposal, new ConclaveError('aborted', 'The proposal was aborted by its signal.', options));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    proposal.forget = () => signal.removeEventListener('abort', onAbort);
  }

  /** The known Raft leader changed; 0: unknown. */
  leaderChanged(leader: number): void {
    if (this.leader === leader) return;
    this.leader = leader;
    if (leader === 0) {
      this.leaderlessSinceMs = this.context.nowMs();
      return;
    }
    // Whoever was asked before may be dead or paused: the identity makes it safe to ask the new one too.
    for (const [, proposal] of this.asked.entries())
      if (proposal.askedLeader !== leader) this.retry(proposal);
    this.routeWaiting();
  }

  linkUp(peer: number): void {
    if (peer === this.leader) this.routeWaiting();
  }

  linkDown(peer: number): void {
    for (const [, proposal] of this.asked.entries()) if (proposal.askedLeader === peer) this.retry(proposal);
  }

  private retry(proposal: Proposal): void {
    this.asked.delete(proposal.requestId);
    proposal.askedLeader = 0;
    proposal.ambiguous = true;
    this.waiting.add(proposal);
    this.route(proposal);
  }

  private routeWaiting(): void {
    for (const proposal of [...this.waiting]) this.route(proposal);
  }

  private route(proposal: Proposal): void {
    if (proposal.over) return;
    if (this.waiting.size > 0) this.waiting.delete(proposal);
    if (this.leader === this.context.memberId) return this.submitLocally(proposal);
    if (this.leader === 0 || !this.own.identify(proposal)) {
      this.waiting.add(proposal);
      return;
    }
    proposal.encoded ??= encode(proposal.command, proposal.identity, proposal.author);
    proposal.requestId = this.nextRequestId++;
    const request: LeaderRequest = {
      type: 'propose',
      requestId: proposal.requestId,
      encoded: proposal.encoded,
    };
    if (!this.context.sendRequest(this.leader, request)) {
      this.waiting.add(proposal);
      return;
    }
    proposal.askedLeader = this.leader;
    proposal.askedAtMs = this.context.nowMs();
    this.asked.set(proposal.requestId, proposal);
  }

  private register(): Promise<CommandResult> {
    const command: Command = { type: 'registerClient', name: `member ${this.context.memberId}` };
    return this.propose(command, this.context.nowMs() + registerWithinMs, undefined, undefined);
  }

  private submitLocally(proposal: Proposal): void {
    proposal.encoded ??= encode(proposal.command, proposal.identity, proposal.author);
    proposal.submittedHere = true;
    this.context.submitLocally(proposal.encoded, (outcome) => {
      if (proposal.over) return;
      proposal.submittedHere = false;
      switch (outcome.type) {
        case 'applied':
          return this.answered(proposal, outcome.result);
        case 'refused':
          return this.fail(proposal, tooMany(outcomeOf(proposal)));
        case 'not-applied':
          this.waiting.add(proposal);
          return;
        case 'unknown':
          if (!proposal.identity) return this.fail(proposal, unknownOutcome());
          proposal.ambiguous = true;
          this.waiting.add(proposal);
      }
    });
  }

  responded(response: LeaderResponse): void {
    const proposal = this.asked.get(response.requestId);
    if (!proposal) return;
    this.asked.delete(response.requestId);
    const asked = proposal.askedLeader;
    proposal.askedLeader = 0;
    if (response.type === 'proposed') {
      const result = decodeCommandResult(response.encodedResult);
      proposal.result = result;
      return this.unapplied.add(response.index, () => this.answered(proposal, result));
    }
    if (response.type === 'refused') return this.fail(proposal, tooMany(outcomeOf(proposal)));
    if (response.type === 'not-understood') return this.fail(proposal, notUnderstood(outcomeOf(proposal)));
    if (response.type === 'result-too-large') return this.fail(proposal, resultTooLarge());
    proposal.ambiguous = true;
    this.waiting.add(proposal);
    // That one no longer leads; wait for word of the next instead of asking it again in a circle.
    if (asked !== this.leader) this.route(proposal);
  }

  /** Everything up to this index of the log is applied here. */
  applied(index: number): void {
    this.unapplied.applied(index);
  }

  private answered(proposal: Proposal, result: CommandResult): void {
    if (proposal.over) return;
    proposal.result = undefined;
    const forgotten = result.outcome.type === 'failed' && result.outcome.failure === 'unknown-incarnation';
    if (forgotten && !proposal.foreignIdentity) {
      // Our incarnation was forgotten after a long idle time: make a new one; this attempt was not applied.
      if (proposal.identity) this.own.forget(proposal.identity.incarnation);
      if (proposal.ambiguous) return this.fail(proposal, unknownOutcome());
      proposal.identity = undefined;
      proposal.encoded = undefined;
      this.waiting.add(proposal);
      return this.route(proposal);
    }
    this.finish(proposal);
    proposal.resolve(result);
  }

  private fail(proposal: Proposal, error: ConclaveError): void {
    if (proposal.over) return;
    this.failed += 1;
    this.finish(proposal);
    proposal.reject(error);
  }

  private finish(proposal: Proposal): void {
    proposal.over = true;
    proposal.forget?.();
    if (this.active.delete(proposal)) this.activeBytes -= proposal.sizeBytes;
    if (this.waiting.size > 0) this.waiting.delete(proposal);
    this.asked.delete(proposal.requestId);
    this.own.release(proposal);
  }

  /** By how much who waits for a leader is told earlier that none was found. */
  toldEarlyMs(nowMs: number): number {
    return this.leader === 0 && nowMs - this.leaderlessSinceMs >= leaderlessMs ? earlierMs : 0;
  }

  /** Called a few times a second while busy: ends what is late, sends again what was lost. */
  sweep(nowMs: number): void {
    const untilMs = nowMs + this.toldEarlyMs(nowMs);
    for (const proposal of this.active.all()) {
      if (proposal.deadlineMs <= untilMs && proposal.result !== undefined) {
        this.answered(proposal, proposal.result);
      } else if (proposal.deadlineMs <= untilMs) {
        const interruption = this.context.interruptions.since(proposal.moment);
        this.fail(proposal, timedOut(this.leader !== 0, outcomeOf(proposal), interruption));
      } else if (proposal.askedLeader !== 0 && nowMs - proposal.askedAtMs > resendAfterMs) {
        this.retry(proposal);
      }
    }
    this.routeWaiting();
  }

  /** The member stops. */
  abandon(): void {
    this.stopped = true;
    for (const proposal of this.active.all()) {
      if (proposal.result !== undefined) this.answered(proposal, proposal.result);
      else this.fail(proposal, stopping(outcomeOf(proposal)));
    }
  }
}
