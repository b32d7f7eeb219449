import { Core, NEVER } from './core.ts';
import { countOwnVote, tickElection } from './election.ts';
import { peerConnected, peerDisconnected, stalled } from './environment.ts';
import { receiveSnapshot } from './follower.ts';
import { advanceCommit, broadcastHeartbeat, leaderDeadlineMs, propose, tickLeader } from './leadership.ts';
import { changeMembership, continueMembershipChange } from './membership.ts';
import { ForwardedReads, requestRead, startReadRound } from './reads.ts';
import { receive } from './receiving.ts';
import { hasToReplicate, replicate, snapshotSent } from './replication.ts';
import { becomeFollower, resetElectionTimer } from './roles.ts';
import { abandonTransfer, requestTransfer } from './transfer.ts';
import {
  type Configuration,
  type ConfigurationAt,
  type Entry,
  InvariantViolation,
  type RaftCore,
  type RaftEffects,
  type RaftEvent,
  type RaftOptions,
  type RaftState,
  type RaftStatus,
  type RaftStored,
  type SnapshotMeta,
} from './types.ts';

const nothing: readonly never[] = Object.freeze([]);

/** One member's part in one Raft group. See index.ts for what its driver owes it. */
export class Raft implements RaftCore {
  readonly #core: Core;
  #reported: RaftState;
  #reportedConfiguration: ConfigurationAt;

  constructor(options: RaftOptions, stored: RaftStored, nowMs: number) {
    const core = new Core(options, stored, new ForwardedReads(options.random), nowMs);
    this.#core = core;
    this.#reported = { role: core.role, term: core.term, leader: core.leader };
    this.#reportedConfiguration = core.configurations.latest;
    if (core.isSoleVoter) core.electionDeadlineMs = nowMs;
    else if (core.mayLead) resetElectionTimer(core);
    // Before it stopped this member may have acknowledged a leader that now reads by its lease.
    if (options.leaseReads === true && core.term > 0 && !core.isSoleVoter) {
      core.noVoteBeforeMs = nowMs + core.timing.longestElectionTimeoutMs;
    }
  }

  step(event: RaftEvent, nowMs: number): void {
    const core = this.#core;
    core.nowMs = Math.max(core.nowMs, nowMs);
    switch (event.type) {
      case 'tick':
        this.#tick();
        break;
      case 'message':
        receive(core, event.message);
        break;
      case 'propose':
        propose(core, event.proposalId, event.data);
        break;
      case 'read':
        requestRead(core, event.readId);
        break;
      case 'persisted':
        this.#persisted(event.persistId);
        break;
      case 'applied':
        this.#applied(event.index);
        break;
      case 'compacted':
        this.#compacted(event.snapshot, event.keepFrom);
        break;
      case 'snapshot-received':
        if (event.from === core.id || event.term < core.term) break;
        if (event.term > core.term) becomeFollower(core, event.term, event.from);
        receiveSnapshot(core, event.from, event.session, event.snapshot);
        break;
      case 'snapshot-sent':
        snapshotSent(core, event.to, event.ok, event.index, event.session);
        break;
      case 'change-membership':
        changeMembership(core, event);
        break;
      case 'transfer':
        requestTransfer(core, event.target);
        break;
      case 'peer-connected':
        peerConnected(core, event.peer);
        break;
      case 'peer-disconnected':
        peerDisconnected(core, event.peer);
        break;
      case 'stalled':
        stalled(core, event.stallMs);
        break;
    }
  }

  drain(): RaftEffects {
    const core = this.#core;
    if (core.leadership !== undefined) {
      // Apart from the appends: their acknowledgements wait for disks, those of heartbeats do not.
      if (startReadRound(core)) broadcastHeartbeat(core);
      replicate(core, core.leadership);
    } else {
      core.forwardedReads.flush(core);
    }
    const taken = core.outbox.take();
    const { term, votedFor, commitIndex } = core;
    const persist = core.durability.request({ term, votedFor, commitIndex }, core.log, core.nowMs);
    const waiting = taken.messagesAfterPersist;
    // What they waited for is durable by now.
    const mayLeave = waiting.length > 0 && !core.durability.isWriting;
    // Written out: a spread costs several times as much, and this is done in each turn.
    return {
      messages: mayLeave ? [...taken.messages, ...waiting] : taken.messages,
      persist,
      messagesAfterPersist: mayLeave ? nothing : waiting,
      committed: this.#takeCommitted(),
      readsReady: taken.readsReady,
      readsFailed: taken.readsFailed,
      proposalsAccepted: taken.proposalsAccepted,
      proposalsRejected: taken.proposalsRejected,
      sendSnapshots: taken.sendSnapshots,
      state: this.#takeState(),
      transfer: taken.transfer,
      changes: taken.changes,
      configuration: this.#takeConfiguration(),
    };
  }

  /** False where a drain would bring nothing at all: then it may be left out, and time matters only for deadlines. */
  get hasEffects(): boolean {
    const core = this.#core;
    const { durability, leadership } = core;
    return (
      !core.outbox.isEmpty ||
      durability.wants(core.term, core.votedFor, core.log.lastIndex) ||
      (Math.min(core.commitIndex, durability.durableIndex) > core.handedOutIndex && !durability.installing) ||
      this.#stateMoved() ||
      core.configurations.latest !== this.#reportedConfiguration ||
      (leadership === undefined
        ? core.forwardedReads.wantsToAsk(core)
        : leadership.reads.waiting.length > 0 || hasToReplicate(core, leadership))
    );
  }

  nextDeadlineMs(): number {
    const core = this.#core;
    // An outcome that found no room in the last drain wants another.
    if (core.outbox.transfers.length > 0) return core.nowMs;
    if (core.leadership !== undefined) return leaderDeadlineMs(core, core.leadership);
    const transferMs = core.transfer?.deadlineMs ?? NEVER;
    return Math.min(core.electionDeadlineMs, core.hintDeadlineMs, core.forwardedReads.retryAtMs, transferMs);
  }

  status(): RaftStatus {
    const core = this.#core;
    const electionTimeoutMs = core.electionTimeoutMs;
    return {
      role: core.role,
      term: core.term,
      leader: core.leader,
      commitIndex: core.commitIndex,
      appliedIndex: core.appliedIndex,
      lastIndex: core.log.lastIndex,
      firstIndex: core.log.firstIndex,
      electionTimeoutMs,
      transferTarget: core.transfer?.target ?? 0,
      configuration: core.configuration,
      configurationIndex: core.configurations.latest.index,
      peers: [...(core.leadership?.progress.values() ?? [])].map((peer) =>
        peer.describe(core.nowMs, electionTimeoutMs),
      ),
    };
  }

  entryAt(index: number): Entry | undefined {
    return this.#core.log.entryAt(index);
  }

  configurationAt(index: number): Configuration {
    return this.#core.configurations.at(index);
  }

  /** Committed is not enough: an entry that is applied must not be missing after a crash of this member. */
  #takeCommitted(): readonly Entry[] {
    const core = this.#core;
    const end = Math.min(core.commitIndex, core.durability.durableIndex);
    if (end <= core.handedOutIndex || core.durability.installing) return nothing;
    const entries = core.log.slice(core.handedOutIndex + 1, end);
    core.handedOutIndex = end;
    return entries;
  }

  #takeState(): RaftState | undefined {
    if (!this.#stateMoved()) return undefined;
    const { role, term, leader } = this.#core;
    this.#reported = { role, term, leader };
    return this.#reported;
  }

  #takeConfiguration(): ConfigurationAt | undefined {
    const { latest } = this.#core.configurations;
    if (latest === this.#reportedConfiguration) return undefined;
    this.#reportedConfiguration = latest;
    return latest;
  }

  #stateMoved(): boolean {
    const { role, term, leader } = this.#core;
    return role !== this.#reported.role || term !== this.#reported.term || leader !== this.#reported.leader;
  }

  #tick(): void {
    const core = this.#core;
    if (core.leadership !== undefined) {
      tickLeader(core, core.leadership);
      return;
    }
    if (core.transfer !== undefined && core.nowMs >= core.transfer.deadlineMs) abandonTransfer(core);
    core.forwardedReads.retry(core.nowMs);
    tickElection(core);
  }

  #persisted(persistId: number): void {
    const core = this.#core;
    core.timing.noteWrite(core.durability.persisted(persistId, core.nowMs), core.nowMs);
    if (!core.durability.installing) core.appliedIndex = Math.max(core.appliedIndex, core.log.baseIndex);
    countOwnVote(core);
    advanceCommit(core);
  }

  #applied(index: number): void {
    const core = this.#core;
    if (index > core.handedOutIndex) {
      throw new InvariantViolation(
        `entry ${index} was applied; only those up to ${core.handedOutIndex} were handed out`,
      );
    }
    core.appliedIndex = Math.max(core.appliedIndex, index);
    continueMembershipChange(core);
  }

  #compacted(snapshot: SnapshotMeta, keepFrom: number): void {
    const core = this.#core;
    if (snapshot.index > core.handedOutIndex) {
      throw new InvariantViolation(
        `a snapshot up to ${snapshot.index} holds more than was handed out, ${core.handedOutIndex}`,
      );
    }
    // A leader's snapshot has overtaken it.
    if (snapshot.index < core.log.baseIndex) return;
    core.log.compact(snapshot, keepFrom);
    core.configurations.rebase(snapshot);
  }
}
