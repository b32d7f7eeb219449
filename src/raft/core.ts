import { ConfigurationHistory, isJoint } from './configuration.ts';
import { Durability } from './durability.ts';
import type { Leadership } from './leadership.ts';
import { RaftLog } from './log.ts';
import { Outbox } from './outbox.ts';
import { isVoter } from './quorum.ts';
import type { ForwardedReads } from './reads.ts';
import { Timing } from './timing.ts';
import {
  type Configuration,
  type Entry,
  InvariantViolation,
  type MemberId,
  type RaftMessage,
  type RaftOptions,
  type RaftStored,
  type Role,
} from './types.ts';

export const NEVER = Number.POSITIVE_INFINITY;

/** An election that this member is trying to win (§5.2, §9.6 of the dissertation for the pre-vote). */
export interface Campaign {
  readonly votes: Map<MemberId, boolean>;
  /** Asked for by the leader: stickiness does not apply to it (dissertation §3.10). */
  readonly transfer: boolean;
  /** Started by a broken connection: tried again soon rather than after an election timeout. */
  readonly hinted: boolean;
}

/** A transfer that this member was asked for while it led; outlives its leadership, to learn how it ended. */
export interface Transfer {
  readonly target: MemberId;
  readonly deadlineMs: number;
  /** TimeoutNow is out: the target may campaign at any time. */
  sent: boolean;
}

type Unaddressed<Message> = Message extends unknown
  ? Omit<Message, 'group' | 'from' | 'term'> & { term?: number }
  : never;

/** The state of one member, shared by the modules that hold the rules. No rule lives here. */
export class Core {
  readonly options: RaftOptions;
  readonly id: MemberId;
  readonly outbox = new Outbox();
  readonly log: RaftLog;
  readonly durability: Durability;
  readonly configurations: ConfigurationHistory;
  readonly timing: Timing;

  /** The caller's clock at the current step. Never goes back. */
  nowMs: number;
  term: number;
  /** In this term; 0: nobody yet. */
  votedFor: MemberId;
  role: Role = 'follower';
  /** Of this term; 0: unknown. */
  leader: MemberId = 0;
  commitIndex: number;
  /** Committed *and* durable here, and given to the driver: at most `commitIndex`. */
  handedOutIndex: number;
  /** What the driver says it has applied: at most `handedOutIndex`. */
  appliedIndex: number;

  /** Set exactly while role is pre-candidate or candidate. */
  campaign: Campaign | undefined;
  /** Set exactly while role is leader. */
  leadership: Leadership | undefined;
  transfer: Transfer | undefined;
  readonly forwardedReads: ForwardedReads;

  /** When this member starts a pre-vote by itself. Moved only by its current leader's traffic or a granted vote. */
  electionDeadlineMs = NEVER;
  /** When a broken connection to the leader, or a hinted campaign that got nowhere, starts a pre-vote. */
  hintDeadlineMs = NEVER;
  /** The connection to the leader broke and it was not heard since: no stickiness for its sake. */
  stickinessCleared = false;
  /** Elections by hint since the leader was heard; each failed one makes the next wait longer. */
  hintedElections = 0;
  /** It has stood back once for a rival since the connection broke; that is enough. */
  stoodBack = false;
  /** When the leader of the time was last heard. */
  leaderContactMs = Number.NEGATIVE_INFINITY;
  /** The term in which that was; 0 when the silence since then says nothing of the leader, for it was our own. */
  leaderContactTerm = 0;
  /** Lease reads: until then this member may have promised a leader, before it started, not to vote. */
  noVoteBeforeMs = Number.NEGATIVE_INFINITY;
  /** After a stall of ours: silence and a slow disk are not held against anybody before this. */
  graceUntilMs = Number.NEGATIVE_INFINITY;
  /** When that was granted. */
  graceFromMs = Number.NEGATIVE_INFINITY;
  #lastSession = 0;

  constructor(options: RaftOptions, stored: RaftStored, forwardedReads: ForwardedReads, nowMs: number) {
    this.options = options;
    this.id = options.memberId;
    this.nowMs = nowMs;
    this.forwardedReads = forwardedReads;
    this.timing = new Timing(options, nowMs);
    this.log = new RaftLog(stored.snapshot, stored.entries);
    this.configurations = new ConfigurationHistory(
      options.configuration,
      stored.snapshot,
      this.log.slice(this.log.firstIndex, this.log.lastIndex),
    );
    const { term, votedFor, commitIndex } = stored.hardState;
    if (term < this.log.lastTerm) {
      throw new InvariantViolation(
        `the stored term ${term} is below that of the last entry, ${this.log.lastTerm}`,
      );
    }
    this.term = term;
    this.votedFor = votedFor;
    // A hint only: what it says beyond the log's end is not believed.
    this.commitIndex = Math.max(this.log.baseIndex, Math.min(commitIndex, this.log.lastIndex));
    this.handedOutIndex = this.log.baseIndex;
    this.appliedIndex = this.log.baseIndex;
    this.durability = new Durability({ term, votedFor, commitIndex: this.commitIndex }, this.log.lastIndex);
  }

  get configuration(): Configuration {
    return this.configurations.current;
  }
  get isVoter(): boolean {
    return isVoter(this.configuration, this.id);
  }
  get isSoleVoter(): boolean {
    return this.isVoter && this.configuration.voters.length === 1 && !isJoint(this.configuration);
  }
  get otherVoters(): readonly MemberId[] {
    const { voters, outgoing = [] } = this.configuration;
    const others = voters.filter((voter) => voter !== this.id);
    for (const voter of outgoing) if (voter !== this.id && !others.includes(voter)) others.push(voter);
    return others;
  }
  /**
   * A voter may lead; also one whose removal may not be committed, since nobody else may have the entry that removes it
   * (dissertation §4.2.2). Its own vote does not count then.
   */
  get mayLead(): boolean {
    return this.configurations.isVoterSince(this.commitIndex, this.id);
  }
  get electionTimeoutMs(): number {
    return this.timing.electionTimeoutMs(this.nowMs);
  }
  get heartbeatIntervalMs(): number {
    return this.timing.heartbeatIntervalMs(this.nowMs);
  }
  /** When the oldest write becomes too old for a member that is to lead. */
  get diskDeadlineMs(): number {
    const patience = this.timing.leaderPatienceMs(this.nowMs);
    return Math.max(this.durability.waitingSinceMs + patience, this.graceUntilMs);
  }
  get diskIsStuck(): boolean {
    return this.nowMs >= this.diskDeadlineMs;
  }

  /** A number that no exchange with any peer had before in this process. */
  newSession(): number {
    this.#lastSession += 1;
    return this.#lastSession;
  }

  /**
   * Sends now, or once all that was asked to be written is durable: always the latter while our term and vote are not,
   * since every message tells them (§5.1). The object is the core's from here on. `dependsOnLog`: what is in memory only must be durable before it.
   */
  send(message: Unaddressed<RaftMessage>, dependsOnLog = false): void {
    const full = message as { -readonly [Field in keyof RaftMessage]: RaftMessage[Field] };
    full.term ??= this.term;
    full.group = this.options.groupId;
    full.from = this.id;
    const wait = dependsOnLog || !this.durability.isDurable(this.term, this.votedFor);
    (wait ? this.outbox.messagesAfterPersist : this.outbox.messages).push(full as RaftMessage);
  }

  append(entry: Entry): void {
    this.log.append(entry);
    if (entry.kind === 'configuration') this.configurations.append(entry);
  }

  /** The commit index moves forward only, and only over entries that are in the log. */
  commitTo(index: number): void {
    if (index <= this.commitIndex) return;
    if (index > this.log.lastIndex) {
      throw new InvariantViolation(
        `entry ${index} is said to be committed, but the log ends at ${this.log.lastIndex}`,
      );
    }
    this.commitIndex = index;
  }
}
