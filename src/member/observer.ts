import type { CommandResult, KeyspaceMachine } from '../keyspace/index.ts';
import type { Entry, RaftCore, RaftEffects, SnapshotMeta } from '../raft/index.ts';

/**
 * Looks on while a member works, for simulations and diagnostics. Called synchronously in the member's own turn: it
 * must not change anything, and what it throws stops the member.
 */
export interface MemberObserver {
  /** Recovery is over and the first turn is to come. Both are the member's own, to be read at any time later. */
  recovered?(raft: RaftCore, keyspace: KeyspaceMachine): void;
  /** The core was drained; these effects are performed next. `configuration` in them is the one in force from now on. */
  drained?(effects: RaftEffects): void;
  /**
   * Also of kind 'configuration': that change of the membership is applied. What ranges within transactions have read is
   * in the results only where a caller of this member waits for them: an observer makes nobody read more.
   */
  applied?(entry: Entry, results: readonly CommandResult[]): void;
  /** The keyspace was replaced by that of a snapshot, at recovery (before `recovered`) or from a leader. */
  installed?(snapshot: SnapshotMeta): void;
}
