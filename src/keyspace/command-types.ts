/** Commands that go through the log, and what comes of them: the same on every replica. */
import type { Alarm, AlarmCommand } from './alarms.ts';
import type { AuthChange, AuthFailure, CommandAuthor, Login } from './auth/types.ts';
import type {
  DeleteRangeRequest,
  DeleteRangeResult,
  PutRequest,
  PutResult,
  TxnRequest,
  TxnResult,
} from './types.ts';

export type Command =
  | { readonly type: 'put'; readonly request: PutRequest }
  | { readonly type: 'deleteRange'; readonly request: DeleteRangeRequest }
  | { readonly type: 'txn'; readonly request: TxnRequest }
  /**
   * Transactions applied in order, each at a revision of its own, with nothing in between; it ends at the first
   * whose compares do not hold. A hand-off of a leadership is two of them: delete the key, create it again.
   */
  | { readonly type: 'txnSequence'; readonly requests: readonly TxnRequest[] }
  | { readonly type: 'compact'; readonly revision: number }
  | { readonly type: 'leaseGrant'; readonly lease: bigint; readonly ttlMs: number }
  | { readonly type: 'leaseRevoke'; readonly lease: bigint }
  /** Extends each lease to now + its TTL. */
  | { readonly type: 'leaseRenew'; readonly leases: readonly bigint[] }
  /** Binds a lease to a connection; the result is the number of this attachment. */
  | { readonly type: 'attach'; readonly lease: bigint }
  /** Shortens the lease's deadline to now + graceMs, if `attachment` is still the current one. */
  | { readonly type: 'detach'; readonly lease: bigint; readonly attachment: number; readonly graceMs: number }
  /** Nothing but the batch's time: lets due leases expire. */
  | { readonly type: 'tick' }
  /** Makes a client incarnation, under which (incarnation, sequence) identifies a proposal. */
  | { readonly type: 'registerClient'; readonly name: string }
  | AlarmCommand
  | { readonly type: 'auth'; readonly change: AuthChange }
  /** Somebody proved to be this user: the result is the cluster time of it. Fails if the login no longer stands. */
  | { readonly type: 'authenticate'; readonly login: Login }
  /** A token is in use and lasts for another `ttlMs` from now, if the login still stands. */
  | {
      readonly type: 'extendToken';
      readonly tokenId: Uint8Array;
      readonly login: Login;
      readonly ttlMs: number;
    };

/** Identity of a proposal that may be retried. */
export interface CommandIdentity {
  readonly incarnation: number;
  readonly sequence: number;
  /** The client has the answers of all sequences below this: their results are forgotten. */
  readonly acknowledgedBelow: number;
}

export interface SubmittedCommand {
  readonly command: Command;
  readonly identity: CommandIdentity | undefined;
  /** Who asked for it, while auth is enabled. */
  readonly author?: CommandAuthor | undefined;
}

/** One log entry's content: all commands of one turn of the leader's loop. */
export interface CommandBatch {
  /** Cluster time in ms, a whole number, rounded down; never falls along a log (design.md section 4). */
  readonly timeMs: number;
  readonly commands: readonly SubmittedCommand[];
}

/** Failures of commands: deterministic, part of the replicated result. */
export type CommandFailure =
  | 'key-not-found'
  | 'lease-not-found'
  | 'lease-exists'
  | 'compacted'
  | 'future-revision'
  | 'ttl-out-of-range'
  | 'unknown-incarnation'
  /** The result of this sequence was already acknowledged and forgotten. */
  | 'sequence-forgotten'
  /** An alarm stands, raised where the quota was used up. */
  | 'no-space'
  /** An alarm stands, raised where a replica was found to differ from the others. */
  | 'corrupt'
  | AuthFailure;

export type CommandOutcome =
  | { readonly type: 'put'; readonly result: PutResult }
  | { readonly type: 'deleteRange'; readonly result: DeleteRangeResult }
  | { readonly type: 'txn'; readonly result: TxnResult }
  /** One result, with its revision, for each transaction that was evaluated (the last may have failed its compares). */
  | {
      readonly type: 'txnSequence';
      readonly results: readonly { readonly result: TxnResult; readonly revision: number }[];
    }
  | { readonly type: 'compact' }
  | { readonly type: 'leaseGrant'; readonly lease: bigint; readonly ttlMs: number }
  | { readonly type: 'leaseRevoke' }
  /** 0 for a lease that is not there. Same order as in the command. */
  | { readonly type: 'leaseRenew'; readonly ttlsMs: readonly number[] }
  | { readonly type: 'attach'; readonly attachment: number }
  | { readonly type: 'detach'; readonly current: boolean }
  | { readonly type: 'tick' }
  | { readonly type: 'registerClient'; readonly incarnation: number }
  /** The alarm that was raised, or disarmed; none where there was none to be disarmed. */
  | { readonly type: 'alarm'; readonly alarms: readonly Alarm[] }
  | { readonly type: 'auth' }
  | { readonly type: 'authenticate'; readonly timeMs: number }
  | { readonly type: 'extendToken' }
  | { readonly type: 'failed'; readonly failure: CommandFailure };

/** `revision`: the store's revision right after this command (what goes into the response header). */
export interface CommandResult {
  readonly revision: number;
  readonly outcome: CommandOutcome;
}
