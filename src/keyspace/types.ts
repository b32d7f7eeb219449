/**
 * Keys, requests and the read side. Field names follow etcd's v3 API in camelCase, so that the API layer passes most
 * things through. Revisions, versions and counts are `number`; lease ids are `bigint` because foreign clients choose
 * them.
 */
import type { Alarm } from './alarms.ts';
import type { AuthFailure, AuthReader, CommandAuthor } from './auth/types.ts';
import type { Command, CommandFailure, CommandResult } from './command-types.ts';
import type { PartBounds, RangeRest } from './range-rest.ts';
import type { Reach } from './reach.ts';
import type { Watcher, WatchRequest } from './watch-types.ts';

export type { Alarm, AlarmCommand, AlarmKind } from './alarms.ts';
export type * from './auth/types.ts';
export type * from './command-types.ts';
export type { PartBounds } from './range-rest.ts';
export type { Reach } from './reach.ts';
export type { ReadBudget, WatchBatch, WatchEvent, Watcher, WatchRequest } from './watch-types.ts';

export interface KeyValue {
  readonly key: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly value: Uint8Array;
  /** 0n: none. */
  readonly lease: bigint;
}

export type SortOrder = 'none' | 'ascend' | 'descend';
export type SortTarget = 'key' | 'version' | 'create' | 'mod' | 'value';

/** `rangeEnd` empty: one key. `rangeEnd` = [0]: all keys from `key` on. `key` = [0] and `rangeEnd` = [0]: all keys. */
export interface RangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** 0: unlimited. Negative is taken as 0. */
  readonly limit: number;
  /** 0 or less: the latest. In a transaction a negative one is refused as compacted, as etcd does. */
  readonly revision: number;
  readonly sortOrder: SortOrder;
  readonly sortTarget: SortTarget;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  /** 0: no bound. */
  readonly minModRevision: number;
  readonly maxModRevision: number;
  readonly minCreateRevision: number;
  readonly maxCreateRevision: number;
}
export interface RangeResult {
  readonly kvs: readonly KeyValue[];
  /** The key-values that follow `kvs`, where those are not all. To be closed. */
  readonly rest?: RangeRest;
  readonly more: boolean;
  readonly count: number;
}

export interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}
export interface PutResult {
  readonly prevKv: KeyValue | undefined;
}
export interface DeleteRangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKv: boolean;
}
export interface DeleteRangeResult {
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
}

export interface Compare {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly result: 'equal' | 'greater' | 'less' | 'not-equal';
  readonly target:
    | { readonly kind: 'version' | 'create' | 'mod'; readonly revision: number }
    | { readonly kind: 'value'; readonly value: Uint8Array }
    | { readonly kind: 'lease'; readonly lease: bigint };
}
export type Operation =
  | { readonly type: 'range'; readonly request: RangeRequest }
  | { readonly type: 'put'; readonly request: PutRequest }
  | { readonly type: 'deleteRange'; readonly request: DeleteRangeRequest }
  | { readonly type: 'txn'; readonly request: TxnRequest };
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure: readonly Operation[];
}
export type OperationResult =
  | { readonly type: 'range'; readonly result: RangeResult }
  | { readonly type: 'put'; readonly result: PutResult }
  | { readonly type: 'deleteRange'; readonly result: DeleteRangeResult }
  | { readonly type: 'txn'; readonly result: TxnResult };
export interface TxnResult {
  readonly succeeded: boolean;
  readonly responses: readonly OperationResult[];
}

export interface LeaseInfo {
  readonly lease: bigint;
  readonly grantedTtlMs: number;
  /** By the time of the last applied batch; the leader adds what its clock measured since. */
  readonly deadlineMs: number;
  /** The current attachment; 0: never attached, or detached. */
  readonly attachment: number;
  readonly keys: readonly Uint8Array[];
}

/** Of the keys and their history up to `revision`: replicas that have compacted alike give the same. */
export interface RevisionHash {
  readonly hash: number;
  readonly revision: number;
  readonly compactRevision: number;
}

/** What the keyspace answers without the log. */
export interface KeyspaceReader {
  readonly revision: number;
  readonly compactRevision: number;
  /** The stamp of the last applied batch. */
  readonly timeMs: number;
  readonly leaseCount: number;
  readonly watcherCount: number;
  /** Approximate bytes of keys and values with history. */
  readonly sizeBytes: number;
  /** `failed` only with 'compacted' or 'future-revision'. With `bounds` a large one is given in parts: see `rest`. */
  range(request: RangeRequest, bounds?: PartBounds): RangeResult | { readonly failed: CommandFailure };
  /** Keys that have a value, or had one that is not dropped yet. */
  readonly keyCount: number;
  /** What the transaction would look at now. */
  reach(request: TxnRequest, countTo?: number): Reach;
  lease(id: bigint, withKeys: boolean): LeaseInfo | undefined;
  leases(): bigint[];
  /** Those that stand, by kind and member. */
  alarms(): readonly Alarm[];
  /** A hash of everything at `appliedIndex`, equal on all replicas. Walks leases and clients. */
  stateHash(): number;
  /** 0 or less: at the latest revision. Walks nothing. `failed` only with 'compacted' or 'future-revision'. */
  hashAt(revision: number): RevisionHash | { readonly failed: CommandFailure };
  watch(request: WatchRequest, onReady: () => void): Watcher;
  readonly auth: AuthReader;
  /** Why the command would be refused to its author now; undefined: it would not. */
  checkCommand(command: Command, author: CommandAuthor | undefined): AuthFailure | undefined;
  /** The user that registered this client while auth was enabled; '' if it was not; undefined: no such client. */
  clientOwner(incarnation: number): string | undefined;
}

/** The replicated state machine. Same batches at the same indexes, same state and same results, on every replica. */
export interface KeyspaceMachine extends KeyspaceReader {
  readonly appliedIndex: number;
  /**
   * `batch` as encoded by `encodeBatch`; empty data (a new leader's no-op) changes nothing but the index.
   * Where `rangesWanted` is false, results of ranges in transactions may be left empty: nobody is answered by them. The
   * state is the same.
   */
  apply(index: number, batch: Uint8Array, rangesWanted?: boolean): readonly CommandResult[];
  /**
   * The earliest lease deadline, in cluster time; Infinity when there are no leases. With `exactBelowMs` (the
   * cluster time now) it is cheaper with many leases: exact below that, and otherwise a time at or before the
   * earliest deadline, at which to ask again.
   */
  nextDeadlineMs(exactBelowMs?: number): number;
  /** A frozen view to be written while later entries are applied: call `next` until done. Chunks of about 256 KiB. */
  snapshot(): SnapshotReader;
  /** Replaces everything. Watchers stay: those behind the new compaction end with 'compacted', the rest go on. */
  restore(): SnapshotWriter;
  /** Begins to compare what lies in memory with the hashes that were taken of it. */
  verification(): Verification;
  /**
   * Frees the memory of some of what compaction has made invisible, which otherwise goes with the entries that
   * follow. True when nothing is left that could be freed now. Changes nothing that can be read.
   */
  tidy(): boolean;
  /** Whether everything is freed that compaction has made invisible. Open snapshots keep some of it. */
  readonly compactionDone: boolean;
  /**
   * Makes this the state of a new cluster that begins with a backup: the revision is raised by `revisionRaise`, all
   * below it compacted, leases are gone with their keys, and clients unknown. Not for a member that runs.
   */
  beginAnew(): void;
}
export interface Verification {
  /**
   * Looks at about so many bytes more. 'damaged': something is not what was written. Entries may be applied between
   * steps; after a snapshot was installed it looks at what that replaced.
   */
  step(budgetBytes: number): 'more' | 'done' | 'damaged';
}
export interface SnapshotReader {
  readonly appliedIndex: number;
  next(): Uint8Array | undefined;
  /** As `next`, in memory that is used again: valid until the next call. */
  nextView(): Uint8Array | undefined;
  close(): void;
}
export interface SnapshotWriter {
  /** Chunks in order, of any size. */
  write(chunk: Uint8Array): void;
  /** Checks and puts the new state in place at once. Throws InvariantViolation on a bad snapshot, changing nothing. */
  finish(): void;
}
