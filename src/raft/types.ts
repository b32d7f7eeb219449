/**
 * What goes into the consensus core and what comes out of it. Section numbers are of the extended Raft paper
 * (Ongaro and Ousterhout, 2014); "dissertation" is Ongaro's of the same year.
 */

import type { RaftMessage } from './messages.ts';

export type { RaftMessage } from './messages.ts';

/** A 53-bit id, never 0. */
export type MemberId = number;
/** A 53-bit id of one Raft group. Carried in every message, record and frame. */
export type GroupId = number;

/** `empty`: the no-op of a new leader (§8). `command`: opaque to the core. `configuration`: encoded by the core. */
export type EntryKind = 'command' | 'empty' | 'configuration';

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** Durable before any message that depends on it (§5.1, §5.2). */
export interface HardState {
  readonly term: number;
  /** 0: none. */
  readonly votedFor: MemberId;
  /** A hint for restarts; it may lag behind the truth. */
  readonly commitIndex: number;
}

/**
 * Who is in the group, and in what part. While `outgoing` is there the configuration is joint (§6, C-old,new): elections
 * and commitments need a majority of `voters` and one of `outgoing`. What is empty is left out.
 */
export interface Configuration {
  /** Empty only on a member that joins and knows of none yet. */
  readonly voters: readonly MemberId[];
  /** The voters before the change that is under way. */
  readonly outgoing?: readonly MemberId[];
  /** Get all entries, and count for nothing (dissertation §4.2.1). None of them is in `voters`. */
  readonly learners?: readonly MemberId[];
  /** The driver's own, replicated with the rest and opaque to the core: names, addresses. */
  readonly context?: Uint8Array;
}

/** A configuration, and the entry or snapshot that it came from; 0: it is the one the group began with. */
export interface ConfigurationAt {
  readonly index: number;
  readonly configuration: Configuration;
}

export interface SnapshotMeta {
  /** The last entry that the snapshot contains. */
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
}

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

export interface RaftOptions {
  readonly groupId: GroupId;
  readonly memberId: MemberId;
  /** Used when there is no snapshot and no configuration entry in the log. */
  readonly configuration: Configuration;
  /** Interval between heartbeats of a leader, ms. Default 100. Kept below a third of a fixed election timeout. */
  readonly heartbeatIntervalMs?: number;
  /**
   * Fixed election timeout, ms. Absent: adaptive between 150 and 1000, starting at 400, and above three heartbeat
   * intervals.
   */
  readonly electionTimeoutMs?: number;
  /** Higher ones campaign earlier within the random spread. Default 0. */
  readonly priority?: number;
  /** Uniform in [0, 1), seeded by the caller. */
  readonly random: () => number;
  /** Bytes of entries in one append message. Default 1 MiB. */
  readonly maxAppendBytes?: number;
  /** Append messages in flight to one follower. Default 64. */
  readonly maxInflightAppends?: number;
  /** Bytes of entries in flight to one follower. Default 16 MiB. */
  readonly maxInflightBytes?: number;
  /** Bytes of entries not yet committed that a leader holds before it rejects proposals. Default 64 MiB. */
  readonly maxUncommittedBytes?: number;
  /** Lease reads instead of a ReadIndex round; must be the same on all members. Default false. */
  readonly leaseReads?: boolean;
  /** Bound of each clock's rate against true time, for lease reads. Default 0.01. */
  readonly clockDriftRate?: number;
}

/** What was found on disk at start. `entries` begin right after `snapshot.index`. */
export interface RaftStored {
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta | undefined;
  readonly entries: readonly Entry[];
}

export type RaftEvent =
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly message: RaftMessage }
  | { readonly type: 'propose'; readonly proposalId: number; readonly data: Uint8Array }
  /** Asks for a linearizable read; answered by `readsReady` or `readsFailed` with the same id. Works on any member. */
  | { readonly type: 'read'; readonly readId: number }
  /** All of `persist` up to this id is durable. */
  | { readonly type: 'persisted'; readonly persistId: number }
  /** The driver has applied everything up to `index`. */
  | { readonly type: 'applied'; readonly index: number }
  /** The driver has made a durable snapshot; entries up to `keepFrom - 1` may be dropped from memory. */
  | { readonly type: 'compacted'; readonly snapshot: SnapshotMeta; readonly keepFrom: number }
  /** A complete, verified snapshot came in from a leader; the answer is a `persist.snapshot` or nothing (stale). */
  | {
      readonly type: 'snapshot-received';
      readonly from: MemberId;
      readonly term: number;
      readonly session: number;
      readonly snapshot: SnapshotMeta;
    }
  /** The stream of a `sendSnapshots` effect ended. `ok: false` means: try again later. */
  | {
      readonly type: 'snapshot-sent';
      readonly to: MemberId;
      readonly ok: boolean;
      /** Of the snapshot that was streamed. */
      readonly index: number;
      /** The session of the effect; where given, the end of an abandoned stream cannot pass for that of a new one. */
      readonly session?: number;
    }
  /**
   * Makes these the voters and learners, answered by `changes`. One voter more or less, or learners and context alone,
   * take one entry; anything else goes through a joint configuration, which the leader leaves by itself.
   */
  | {
      readonly type: 'change-membership';
      readonly changeId: number;
      /** The index of the configuration that this was made from: refused if another is in force by now. */
      readonly basedOn: number;
      readonly voters: readonly MemberId[];
      readonly learners?: readonly MemberId[];
      readonly context?: Uint8Array;
    }
  /** Hands leadership over; 0 leaves the choice of the target to the core. Answered by the `transfer` effect. */
  | { readonly type: 'transfer'; readonly target: MemberId }
  | { readonly type: 'peer-connected'; readonly peer: MemberId }
  /** The connection to the peer broke: a hint, never a fact about the peer. */
  | { readonly type: 'peer-disconnected'; readonly peer: MemberId }
  /** This process did not run for `stallMs` (a pause, a long turn). Sent before the sockets are drained into the core. */
  | { readonly type: 'stalled'; readonly stallMs: number };

export interface PersistRequest {
  /** Rises by one for each request. */
  readonly persistId: number;
  readonly hardState: HardState | undefined;
  /** Install this snapshot: the log before it and, where they disagree, after it is void. */
  readonly snapshot:
    | { readonly meta: SnapshotMeta; readonly from: MemberId; readonly keepsLog: boolean }
    | undefined;
  /** Entries replace everything stored from `entries[0].index` on (that is the truncation). */
  readonly entries: readonly Entry[];
  /** Always: a commit index that moved by itself is written with the next request only. */
  readonly mustSync: true;
}

export interface RaftEffects {
  /** Send at once, in this order. */
  readonly messages: readonly RaftMessage[];
  /** Write and sync, then `step({type: 'persisted'})`. Requests are handled in order. */
  readonly persist: PersistRequest | undefined;
  /** Send when `persist` (or, without one, all earlier requests) is durable. */
  readonly messagesAfterPersist: readonly RaftMessage[];
  /** Committed entries, in order, without a gap, each once. Apply after `persist.snapshot` is installed. */
  readonly committed: readonly Entry[];
  readonly readsReady: readonly { readonly readId: number; readonly index: number }[];
  readonly readsFailed: readonly {
    readonly readId: number;
    readonly reason: 'no-leader' | 'leader-changed';
  }[];
  readonly proposalsAccepted: readonly {
    readonly proposalId: number;
    readonly index: number;
    readonly term: number;
  }[];
  readonly proposalsRejected: readonly {
    readonly proposalId: number;
    readonly reason: 'not-leader' | 'too-many-uncommitted' | 'transferring';
  }[];
  /** Stream the latest snapshot to these followers, tagged with `session` and the current term. */
  readonly sendSnapshots: readonly {
    readonly to: MemberId;
    readonly session: number;
    readonly term: number;
  }[];
  /** Present when role, term or known leader changed since the last drain. */
  readonly state: RaftState | undefined;
  /** The outcome of a `transfer` event. */
  readonly transfer: { readonly target: MemberId; readonly ok: boolean } | undefined;
  /** The outcomes of `change-membership` events. */
  readonly changes: readonly MembershipAnswer[];
  /** Present when another configuration is in force since the last drain: the latest in the log, committed or not. */
  readonly configuration: ConfigurationAt | undefined;
}

/**
 * - not-leader: ask the leader.
 * - not-ready: nothing of the leader's own term is committed yet, or a transfer is under way; soon it can be.
 * - in-progress: an earlier change is not committed and applied, or its joint configuration not left.
 * - outdated: made from a configuration that is not the one in force.
 * - not-caught-up: a learner that is to vote lacks more than a tenth of the log.
 * - invalid: no voter is left, an id is none, or one stands there twice.
 * - leader-changed: it was begun, and the leadership ended before it stood; whether it will stand only the log can tell.
 */
export type MembershipRefusal =
  | 'not-leader'
  | 'not-ready'
  | 'in-progress'
  | 'outdated'
  | 'not-caught-up'
  | 'invalid'
  | 'leader-changed';

export type MembershipAnswer =
  /** It stands: no later leader can lack it. Done once applied at `index`, or where that is joint, at a later one. */
  | { readonly changeId: number; readonly ok: true; readonly index: number; readonly term: number }
  | { readonly changeId: number; readonly ok: false; readonly reason: MembershipRefusal };

export interface RaftState {
  readonly role: Role;
  readonly term: number;
  /** 0: unknown. */
  readonly leader: MemberId;
}

export interface PeerProgress {
  readonly peer: MemberId;
  readonly state: 'probe' | 'replicate' | 'snapshot';
  readonly matchIndex: number;
  readonly nextIndex: number;
  readonly recentlyActive: boolean;
  readonly roundTripMs: number;
}

export interface RaftStatus extends RaftState {
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly firstIndex: number;
  readonly electionTimeoutMs: number;
  readonly transferTarget: MemberId;
  /** The one in force: the latest in the log, committed or not. */
  readonly configuration: Configuration;
  /** Of its entry or snapshot; 0: the one the group began with. */
  readonly configurationIndex: number;
  /** Filled on a leader. */
  readonly peers: readonly PeerProgress[];
}

/** The core. Every call takes the caller's monotonic clock; nothing here waits. */
export interface RaftCore {
  step(event: RaftEvent, nowMs: number): void;
  /** Everything to be done for the steps since the last drain. */
  drain(): RaftEffects;
  /** When the caller should next step a `tick`, on the same clock; Infinity when nothing is due. */
  nextDeadlineMs(): number;
  status(): RaftStatus;
  /** The entry, or undefined when compacted or beyond the end. */
  entryAt(index: number): Entry | undefined;
  /** The configuration as of this entry: what a snapshot up to it must carry. */
  configurationAt(index: number): Configuration;
}

/** Thrown when the core meets a state that the algorithm rules out. The member must stop. */
export class InvariantViolation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantViolation';
  }
}
