import type { Entry, HardState, PersistRequest, RaftStored, SnapshotMeta } from '../../src/raft/index.ts';

/** A member's disk: what is durable, and the writes that were asked for and are not. */
export class SimulatedDisk {
  hardState: HardState = { term: 0, votedFor: 0, commitIndex: 0 };
  snapshot: SnapshotMeta | undefined;
  /** They may begin before the end of the snapshot, never after its next. */
  entries: Entry[] = [];
  readonly waiting: PersistRequest[] = [];

  get lastIndex(): number {
    return Math.max(this.entries.at(-1)?.index ?? 0, this.snapshot?.index ?? 0);
  }

  /** undefined: beyond the end, or compacted (then the snapshot vouches for it). */
  termAt(index: number): number | undefined {
    if (index === this.snapshot?.index) return this.snapshot.term;
    const first = this.entries[0];
    return first === undefined ? undefined : this.entries[index - first.index]?.term;
  }

  /** Whether this entry survives a crash, itself or in a snapshot. */
  holds(index: number, term: number): boolean {
    return this.termAt(index) === term || (this.snapshot !== undefined && index <= this.snapshot.index);
  }

  /** Makes the oldest write durable, and returns it. */
  complete(): PersistRequest | undefined {
    const request = this.waiting.shift();
    if (request === undefined) return undefined;
    if (request.snapshot !== undefined) {
      const { meta, keepsLog } = request.snapshot;
      this.snapshot = meta;
      this.entries = keepsLog ? this.entries.filter((entry) => entry.index > meta.index) : [];
    }
    const first = request.entries[0];
    if (first !== undefined) {
      this.entries = [...this.entries.filter((entry) => entry.index < first.index), ...request.entries];
    }
    if (request.hardState !== undefined) this.hardState = request.hardState;
    return request;
  }

  /** The member's own snapshot; entries before `keepFrom` go. */
  compact(meta: SnapshotMeta, keepFrom: number): void {
    this.snapshot = meta;
    this.entries = this.entries.filter((entry) => entry.index >= Math.min(keepFrom, meta.index + 1));
  }

  /** What was not durable is gone. */
  crash(): void {
    this.waiting.length = 0;
  }

  read(): RaftStored {
    const after = this.snapshot?.index ?? 0;
    return {
      hardState: this.hardState,
      snapshot: this.snapshot,
      entries: this.entries.filter((entry) => entry.index > after),
    };
  }
}
