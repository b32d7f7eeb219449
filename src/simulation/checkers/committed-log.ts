import type { Entry } from '../../raft/index.ts';
import type { CommittedLog } from '../observation.ts';

/** Everything that any member reported as committed; of two reports of one index the first stands. */
export class CommittedEntries implements CommittedLog {
  lastIndex = 0;
  readonly #entries: (Entry | undefined)[] = [];
  readonly #atUs: number[] = [];

  /** Returns whether the index is new. Whoever contradicts the first report is found by the checkers, not here. */
  add(entry: Entry, nowUs: number): boolean {
    const { index } = entry;
    if (this.#entries[index] !== undefined) return false;
    // Members start to report right after a snapshot, so that in a broken cluster there may be holes.
    for (let hole = this.#entries.length; hole < index; hole++) {
      this.#entries.push(undefined);
      this.#atUs.push(-1);
    }
    this.#entries[index] = entry;
    this.#atUs[index] = nowUs;
    if (index > this.lastIndex) this.lastIndex = index;
    return true;
  }

  entryAt(index: number): Entry | undefined {
    return this.#entries[index];
  }

  committedAtUs(index: number): number | undefined {
    return this.#entries[index] === undefined ? undefined : this.#atUs[index];
  }
}
