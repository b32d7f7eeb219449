import type { RaftLog } from './log.ts';
import {
  type HardState,
  InvariantViolation,
  type MemberId,
  type PersistRequest,
  type SnapshotMeta,
} from './types.ts';

interface Outstanding {
  readonly persistId: number;
  readonly term: number;
  readonly votedFor: MemberId;
  readonly installsSnapshot: boolean;
  readonly requestedAtMs: number;
  /** The last entry of *today's* log that is on disk once this request is: lowered by every later truncation. */
  lastIndex: number;
}

/**
 * What of the state in memory the disk has, and what it was asked to write. The rules: requests complete in order; a
 * truncation in memory takes back, at once, what was known or will become known to be durable from there on, so that a
 * late `persisted` cannot vouch for entries that replaced others (an ABA that etcd-io/raft guards by term).
 */
export class Durability {
  /** The last entry of the log in memory that is on disk, with all before it. */
  durableIndex: number;
  #durableTerm: number;
  #durableVote: MemberId;
  /** The last entry of the log in memory that some request contains. */
  #requestedIndex: number;
  #requested: HardState;
  #snapshot: { readonly meta: SnapshotMeta; readonly from: MemberId; readonly keepsLog: boolean } | undefined;
  readonly #outstanding: Outstanding[] = [];
  #lastPersistId = 0;

  constructor(hardState: HardState, lastIndex: number) {
    this.durableIndex = lastIndex;
    this.#durableTerm = hardState.term;
    this.#durableVote = hardState.votedFor;
    this.#requestedIndex = lastIndex;
    this.#requested = hardState;
  }

  isDurable(term: number, votedFor: MemberId): boolean {
    return this.#durableTerm === term && this.#durableVote === votedFor;
  }

  /** A snapshot from a leader is not yet in place: nothing after it may be applied. */
  get installing(): boolean {
    if (this.#snapshot !== undefined) return true;
    for (const request of this.#outstanding) if (request.installsSnapshot) return true;
    return false;
  }

  /** When the oldest write that has not completed was asked for; Infinity when there is none. */
  get waitingSinceMs(): number {
    return this.#outstanding[0]?.requestedAtMs ?? Number.POSITIVE_INFINITY;
  }

  truncated(fromIndex: number): void {
    this.durableIndex = Math.min(this.durableIndex, fromIndex - 1);
    this.#requestedIndex = Math.min(this.#requestedIndex, fromIndex - 1);
    for (const request of this.#outstanding) request.lastIndex = Math.min(request.lastIndex, fromIndex - 1);
  }

  /** The log begins with this snapshot now. `keepsRest`: what followed it in memory still does. */
  installSnapshot(meta: SnapshotMeta, from: MemberId, keepsRest: boolean, commitIndex: number): void {
    // What no request contains yet may sit on disk as something else: then the disk keeps nothing, and gets it again.
    const keepsLog = keepsRest && this.#requestedIndex >= meta.index;
    if (!keepsLog) this.truncated(commitIndex + 1);
    this.#requestedIndex = Math.max(this.#requestedIndex, meta.index);
    this.#snapshot = { meta, from, keepsLog };
  }

  /** Whether anything must be written. A commit index that moved, a mere hint for restarts, goes along with the next. */
  wants(term: number, votedFor: MemberId, lastIndex: number): boolean {
    return (
      lastIndex > this.#requestedIndex ||
      this.#snapshot !== undefined ||
      term !== this.#requested.term ||
      votedFor !== this.#requested.votedFor
    );
  }

  /** The next write, if there is one. */
  request(wanted: HardState, log: RaftLog, nowMs: number): PersistRequest | undefined {
    if (!this.wants(wanted.term, wanted.votedFor, log.lastIndex)) return undefined;
    const { term, votedFor, commitIndex } = this.#requested;
    const moved = wanted.term !== term || wanted.votedFor !== votedFor || wanted.commitIndex !== commitIndex;
    this.#lastPersistId += 1;
    const entriesWait = log.lastIndex > this.#requestedIndex;
    const entries = entriesWait ? log.slice(this.#requestedIndex + 1, log.lastIndex) : [];
    const snapshot = this.#snapshot;
    this.#outstanding.push({
      persistId: this.#lastPersistId,
      term: wanted.term,
      votedFor: wanted.votedFor,
      installsSnapshot: snapshot !== undefined,
      requestedAtMs: nowMs,
      lastIndex: log.lastIndex,
    });
    this.#requestedIndex = log.lastIndex;
    this.#requested = wanted;
    this.#snapshot = undefined;
    const hardState = moved ? wanted : undefined;
    return { persistId: this.#lastPersistId, hardState, snapshot, entries, mustSync: true };
  }

  /** Returns how long the slowest of these writes took. */
  persisted(persistId: number, nowMs: number): number {
    if (persistId > this.#lastPersistId) {
      throw new InvariantViolation(
        `write ${persistId} was reported durable; the last that was asked for is ${this.#lastPersistId}`,
      );
    }
    let slowestMs = 0;
    for (
      let first = this.#outstanding[0];
      first !== undefined && first.persistId <= persistId;
      first = this.#outstanding[0]
    ) {
      this.#outstanding.shift();
      this.#durableTerm = first.term;
      this.#durableVote = first.votedFor;
      this.durableIndex = Math.max(this.durableIndex, first.lastIndex);
      slowestMs = Math.max(slowestMs, nowMs - first.requestedAtMs);
    }
    return slowestMs;
  }

  /** True while a write has not completed. */
  get isWriting(): boolean {
    return this.#outstanding.length > 0;
  }
}
