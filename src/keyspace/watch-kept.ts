/**
 * What live watchers have not been given yet when a compaction takes it out of history. etcd hands events over when they
 * are applied, so that a compaction right after them takes nothing from whoever was up to date; our watchers are cursors,
 * for which the same is read before it goes. Only so much of it: who is far behind ends with 'compacted', as in etcd.
 */
import type { WatchBatch, WatchEvent } from './types.ts';
import { eventBytes } from './watch-kinds.ts';

/** Of one watcher and one compaction: about what one response carries. */
export const mostKeptEvents = 1000;
export const mostKeptEventBytes = 512 * 1024;
/** Of all watchers together; those that want the same share it. */
const mostKeptBytes = 16 * 1024 * 1024;
/** Records of history that one compaction reads for all of them: some 10 ms. */
export const mostReadRecords = 200_000;
const overhead = 200;

/** Events for one or more watchers, and how many of them have still to be given them. */
export interface Kept {
  readonly batch: WatchBatch & { readonly type: 'events' };
  readonly bytes: number;
  holders: number;
}

export class KeptEvents {
  private bytes = 0;

  /** undefined: there is no room for it. */
  make(events: readonly WatchEvent[], revision: number): Kept | undefined {
    let bytes = overhead;
    for (const event of events) bytes += overhead + eventBytes(event);
    if (this.bytes + bytes > mostKeptBytes) return undefined;
    this.bytes += bytes;
    return { batch: { type: 'events', events, revision, shared: true }, bytes, holders: 0 };
  }

  release(kept: Kept): void {
    kept.holders--;
    if (kept.holders === 0) this.bytes -= kept.bytes;
  }
}
