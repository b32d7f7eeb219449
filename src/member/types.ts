import type {
  Command,
  CommandAuthor,
  CommandIdentity,
  CommandResult,
  KeyspaceReader,
} from '../keyspace/types.ts';
import type { RaftStatus } from '../raft/types.ts';
import type { Backup } from './backup/index.ts';
import type { DelayDistribution } from './recent-delays.ts';

/** What the API layer, an embedded app and the CLI see of a member. */
export interface MemberHandle extends AsyncDisposable {
  readonly clusterId: number;
  readonly memberId: number;
  readonly name: string;
  /** Reads of the state applied here. For a linearizable one await `readBarrier` first, then read synchronously. */
  readonly keyspace: KeyspaceReader;
  /** False once the member stops because its state, or its disk, cannot be trusted: nothing that was read here may leave. */
  readonly isTrusted: boolean;

  /**
   * Submits a command on whichever member it is called; forwarded to the Raft leader where that is another. An
   * ambiguous failure on the way is retried under the member's own identity, so the command is applied once.
   *
   * Here and wherever else it waits: for as long as `timeoutMs` says, and at most (also by default) for 5 s and two
   * election timeouts, of which none counts as less than 1 s.
   *
   * @param options.identity the client's own identity: the caller retries then, and dedup is by it.
   * @throws ConclaveError 'timeout' (outcome 'unknown'), 'no-leader', 'too-many-requests', 'closed', 'aborted'.
   */
  propose(command: Command, options?: ProposeOptions): Promise<CommandResult>;

  /**
   * Resolves when reads of `keyspace` see everything committed anywhere before the call (ReadIndex, §8).
   * @throws ConclaveError 'no-leader', 'timeout', 'closed', 'aborted'.
   */
  readBarrier(options?: WaitOptions): Promise<void>;

  /** Remaining ms of a lease by the leader's time; asks the leader. undefined: no such lease. */
  leaseRemainingMs(lease: bigint, options?: WaitOptions): Promise<number | undefined>;

  /** What operators ask of this member. */
  readonly upkeep: MemberUpkeep;

  /**
   * About the cluster time now: the stamp applied last, and what this member's clock measured since. On a leader that
   * stalled it may be ahead.
   */
  clusterTimeMs(): number;

  /** Does not vote: it serves only reads that need no leader, and its status. */
  readonly isLearner: boolean;
  /**
   * Changes who is a member, by the Raft leader, wherever that is. Resolves when the change stands: no later leader can
   * be without it.
   *
   * @throws ConclaveError 'invalid-argument' (peer URLs), 'no-leader', 'timeout' (outcome 'unknown'), 'closed', 'aborted'.
   */
  changeMembership(change: MembershipChange, options?: WaitOptions): Promise<MembershipOutcome>;
  /**
   * Hands Raft leadership to another voter. 'not-leader': this one does not lead; 'bad-target': that one cannot; 'failed':
   * it did not take over in time.
   */
  transferLeadership(target: number): Promise<'done' | 'not-leader' | 'bad-target' | 'failed'>;

  status(): MemberStatus;
  /** Called whenever role, term, leader, peers' connections or `stopping` changed. Returns the function that ends it. */
  onChange(listener: (status: MemberStatus) => void): () => void;
  /** Resolves when the member has stopped; rejects with the reason when it stopped by a failure. */
  readonly stopped: Promise<void>;
  /** First half of a graceful stop: attached holders are told to move, Raft leadership is handed over. Never rejects. */
  prepareToStop(): Promise<void>;
  /** Graceful: hands Raft leadership over, tells attached holders to move, stops. Idempotent. */
  stop(): Promise<void>;
}

export interface MemberUpkeep {
  /**
   * Frees the memory of what was compacted; then writes a snapshot of everything applied and removes what it makes
   * needless from the log. @throws ConclaveError 'closed'
   */
  defragment(): Promise<void>;
  /** Resolves when what was compacted is out of this member's memory. @throws ConclaveError 'aborted' */
  finishCompaction(signal?: AbortSignal): Promise<void>;
  /** A backup of everything that this member has applied. Dispose of it. @throws ConclaveError 'closed', 'unavailable' */
  backup(): Promise<Backup>;
}

export interface WaitOptions {
  readonly signal?: AbortSignal;
  /**
   * Default, and most: 5000 plus twice the election timeout, as etcd's. Where nobody has led for a while it fails a little
   * before, so that who waits no longer than this still hears why.
   */
  readonly timeoutMs?: number;
}
export interface ProposeOptions extends WaitOptions {
  readonly identity?: CommandIdentity;
  /** For whom: required for what concerns keys while auth is enabled. */
  readonly author?: CommandAuthor | undefined;
}

export type MembershipChange =
  | { readonly type: 'add'; readonly peerUrls: readonly string[]; readonly isLearner: boolean }
  | { readonly type: 'remove'; readonly memberId: number }
  | { readonly type: 'update'; readonly memberId: number; readonly peerUrls: readonly string[] }
  /** From learner to voter. */
  | { readonly type: 'promote'; readonly memberId: number };

/**
 * - not-enough-started: what would be left could have no quorum among the members that have ever started.
 * - unhealthy: a voter is not connected to the leader, and the change could cost the quorum.
 * - learner-not-ready: it lacks more than a tenth of the log.
 */
export type MembershipFailure =
  | 'not-found'
  | 'peer-urls-exist'
  | 'not-enough-started'
  | 'unhealthy'
  | 'too-many-learners'
  | 'not-learner'
  | 'learner-not-ready';

export type MembershipOutcome =
  | { readonly ok: true; readonly memberId: number; readonly members: readonly MemberDescription[] }
  | { readonly ok: false; readonly failure: MembershipFailure };

export interface MemberDescription {
  readonly memberId: number;
  /** '' until it has started for the first time. */
  readonly name: string;
  readonly isLearner: boolean;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
}

export interface PeerStatus {
  readonly memberId: number;
  readonly name: string;
  readonly connected: boolean;
  /** Known on the leader, else 0. */
  readonly matchIndex: number;
  readonly roundTripMs: number;
}

export interface MemberStatus {
  readonly clusterId: number;
  readonly memberId: number;
  readonly name: string;
  readonly raft: RaftStatus;
  readonly leaderName: string;
  readonly revision: number;
  readonly compactRevision: number;
  readonly snapshotIndex: number;
  readonly sizeBytes: number;
  /** Negative: none. */
  readonly quotaBytes: number;
  readonly leases: number;
  readonly watchers: number;
  readonly members: readonly MemberDescription[];
  readonly peers: readonly PeerStatus[];
  /** Graceful stop has begun: attached holders should move to another member. */
  readonly stopping: boolean;
  readonly uptimeMs: number;
  /** How late this member's timers fire. */
  readonly loopDelayP99Ms: number;
  /** The same of all timers since the start. */
  readonly loopDelay: DelayDistribution;
  /** How long entries took to be durable, since the start. */
  readonly diskSync: DelayDistribution;
  /** Commands that were proposed here: those that wait to be applied, and how many were given up or refused. */
  readonly proposals: { readonly pending: number; readonly failed: number };
  /** How long writes to the log take to be durable; 0: none yet. */
  readonly diskSyncP99Ms: number;
  readonly version: string;
}
