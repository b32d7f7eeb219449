import { type Entry, InvariantViolation, type SnapshotMeta } from './types.ts';

/** What an entry costs besides its data, so that empty commands are bounded too. */
const ENTRY_OVERHEAD_BYTES = 32;

export function entryBytes(entry: Entry): number {
  return entry.data.byteLength + ENTRY_OVERHEAD_BYTES;
}

/**
 * The log in memory: everything after the base, in one array. The base is the last entry that was dropped; its term is
 * kept, since the consistency check (§5.3) of the first entry needs it. What is durable or committed is not known here.
 */
export class RaftLog {
  #baseIndex: number;
  #baseTerm: number;
  #entries: Entry[];
  /** The latest snapshot that a follower could be sent. Never before the base. */
  #snapshot: SnapshotMeta | undefined;

  /** `entries` may begin before the end of the snapshot; those are dropped. A gap or a falling term is refused. */
  constructor(snapshot: SnapshotMeta | undefined, entries: readonly Entry[]) {
    this.#snapshot = snapshot;
    this.#baseIndex = snapshot?.index ?? 0;
    this.#baseTerm = snapshot?.term ?? 0;
    this.#entries = [];
    for (const entry of entries) if (entry.index > this.#baseIndex) this.append(entry);
  }

  get snapshot(): SnapshotMeta | undefined {
    return this.#snapshot;
  }
  get baseIndex(): number {
    return this.#baseIndex;
  }
  get firstIndex(): number {
    return this.#baseIndex + 1;
  }
  get lastIndex(): number {
    return this.#baseIndex + this.#entries.length;
  }
  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#baseTerm;
  }

  entryAt(index: number): Entry | undefined {
    return this.#entries[index - this.#baseIndex - 1];
  }

  /** undefined: compacted, or beyond the end. */
  termAt(index: number): number | undefined {
    return index === this.#baseIndex ? this.#baseTerm : this.entryAt(index)?.term;
  }

  append(entry: Entry): void {
    if (entry.index !== this.lastIndex + 1 || entry.term < this.lastTerm) {
      throw new InvariantViolation(
        `entry ${entry.index} of term ${entry.term} cannot follow entry ${this.lastIndex} of term ${this.lastTerm}`,
      );
    }
    this.#entries.push(entry);
  }

  truncateFrom(index: number): void {
    if (index <= this.#baseIndex)
      throw new InvariantViolation(`entry ${index} cannot be truncated: it is compacted`);
    this.#entries.length = Math.min(this.#entries.length, index - this.#baseIndex - 1);
  }

  /** Entries from `from` to `to`, both included. */
  slice(from: number, to: number): readonly Entry[] {
    if (from > to) return [];
    if (from <= this.#baseIndex || to > this.lastIndex) {
      throw new InvariantViolation(
        `entries ${from} to ${to} are not all in the log ${this.firstIndex}..${this.lastIndex}`,
      );
    }
    return this.#entries.slice(from - this.#baseIndex - 1, to - this.#baseIndex);
  }

  /** Where a message that begins at `from` ends so that it holds at most `maxBytes`, but at least one entry. */
  endWithin(from: number, maxBytes: number): { readonly to: number; readonly bytes: number } {
    let bytes = 0;
    let to = from - 1;
    for (let entry = this.entryAt(from); entry !== undefined; entry = this.entryAt(to + 1)) {
      const size = entryBytes(entry);
      if (to >= from && bytes + size > maxBytes) break;
      bytes += size;
      to = entry.index;
    }
    return { to, bytes };
  }

  /** The last index at or before `index` whose term is at most `term`; the base when there is none (§5.3). */
  lastWithTermAtMost(index: number, term: number): number {
    let candidate = Math.min(index, this.lastIndex);
    while (candidate > this.#baseIndex && (this.termAt(candidate) ?? 0) > term) candidate -= 1;
    return Math.max(candidate, this.#baseIndex);
  }

  /** Our own snapshot is durable: it may be sent, and entries before `keepFrom` that it holds may go. */
  compact(snapshot: SnapshotMeta, keepFrom: number): void {
    if (snapshot.index >= (this.#snapshot?.index ?? 0)) this.#snapshot = snapshot;
    const newBase = Math.min(keepFrom - 1, snapshot.index);
    if (newBase <= this.#baseIndex) return;
    const term = this.termAt(newBase);
    if (term === undefined)
      throw new InvariantViolation(`cannot compact up to ${newBase}: the log ends at ${this.lastIndex}`);
    this.#entries.splice(0, newBase - this.#baseIndex);
    this.#baseIndex = newBase;
    this.#baseTerm = term;
  }

  /** A leader's snapshot replaces the log up to its index, and all of it unless the rest follows on it (§7). */
  restore(snapshot: SnapshotMeta, keepRest: boolean): void {
    this.#entries = keepRest ? this.#entries.slice(snapshot.index - this.#baseIndex) : [];
    this.#baseIndex = snapshot.index;
    this.#baseTerm = snapshot.term;
    this.#snapshot = snapshot;
  }
}
