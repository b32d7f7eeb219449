import type { Entry, GroupId, HardState, SnapshotMeta } from '../../raft/types.ts';
import type { LogRecord } from './format.ts';

export const initialHardState: HardState = { term: 0, votedFor: 0, commitIndex: 0 };

/**
 * What the shared log knows of one group, changed by the same records when they are written and when they are read
 * back. Entries themselves are kept only while reading back.
 */
export class GroupLog {
  readonly group: GroupId;
  hardState = initialHardState;
  snapshot: SnapshotMeta | undefined;
  lastIndex = 0;
  /** Which segment holds the entries from `firstIndex` up to the next span's, without those in the snapshot. */
  readonly #spans: { firstIndex: number; readonly segment: number }[] = [];

  constructor(group: GroupId) {
    this.group = group;
  }

  /** The oldest segment that holds an entry which is still needed. */
  get oldestSegment(): number | undefined {
    return this.#spans[0]?.segment;
  }

  /** Why the record cannot follow what is there; undefined when it can. */
  objection(record: LogRecord): string | undefined {
    if (record.kind === 'position') {
      if (record.lastIndex === this.lastIndex) return undefined;
      return `group ${this.group} ends at ${this.lastIndex}, not at ${record.lastIndex}`;
    }
    if (record.kind !== 'entries') return undefined;
    const first = record.entries[0]?.index ?? 0;
    const snapshotIndex = this.snapshot?.index ?? 0;
    if (first > this.lastIndex + 1)
      return `group ${this.group} ends at ${this.lastIndex}, but entries begin at ${first}`;
    if (first <= snapshotIndex) {
      return `group ${this.group} has a snapshot at ${snapshotIndex}, but entries begin at ${first}`;
    }
    return undefined;
  }

  apply(record: LogRecord, segment: number): void {
    if (record.kind === 'hard-state') this.hardState = record.hardState;
    else if (record.kind === 'position') this.lastIndex = record.lastIndex;
    else if (record.kind === 'snapshot') this.#restartAfter(record.snapshot, record.keepsLog);
    else this.#extend(record.entries, segment);
  }

  #extend(entries: readonly Entry[], segment: number): void {
    const first = entries[0];
    if (first === undefined) return;
    const spans = this.#spans;
    // Entries replace everything from their first index on: that is Raft's truncation.
    while ((spans.at(-1)?.firstIndex ?? 0) >= first.index) spans.pop();
    if (spans.at(-1)?.segment !== segment) spans.push({ firstIndex: first.index, segment });
    this.lastIndex = first.index + entries.length - 1;
  }

  #restartAfter(snapshot: SnapshotMeta, keepsLog: boolean): void {
    const spans = this.#spans;
    this.snapshot = snapshot;
    if (!keepsLog || this.lastIndex <= snapshot.index) {
      this.lastIndex = snapshot.index;
      spans.length = 0;
      return;
    }
    while ((spans[1]?.firstIndex ?? Number.POSITIVE_INFINITY) <= snapshot.index + 1) spans.shift();
    const oldest = spans[0];
    if (oldest !== undefined) oldest.firstIndex = Math.max(oldest.firstIndex, snapshot.index + 1);
  }

  /** What a new segment begins with, so that all older ones may go. */
  *head(): Iterable<LogRecord> {
    const { group, hardState, snapshot, lastIndex } = this;
    if (snapshot !== undefined) yield { kind: 'snapshot', group, snapshot, keepsLog: true };
    yield { kind: 'position', group, lastIndex };
    yield { kind: 'hard-state', group, hardState };
  }
}
