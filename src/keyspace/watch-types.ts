/** What watchers ask for and are given. */
import type { KeyValue } from './types.ts';

export interface WatchEvent {
  readonly type: 'put' | 'delete';
  /** For a delete: key and modRevision only. */
  readonly kv: KeyValue;
  readonly prevKv: KeyValue | undefined;
}
export interface WatchRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** 0 or less: from the next revision on. */
  readonly startRevision: number;
  readonly prevKv: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
}
/** All events of one revision come together; revisions rise. `revision`: everything up to it has been delivered. */
export type WatchBatch =
  | {
      readonly type: 'events';
      readonly events: readonly WatchEvent[];
      readonly revision: number;
      /** Other watchers may be given these very events. */
      readonly shared: boolean;
    }
  /** The budget was used up before an event was found: ask again when other work had its turn. */
  | { readonly type: 'unfinished' }
  /** The next event wanted is compacted away: the watcher is over. */
  | { readonly type: 'compacted'; readonly compactRevision: number };

/** How much of history may be read before other work has its turn. */
export interface ReadBudget {
  /** Records that may still be looked at; reading takes from it. At 0 nothing is read. */
  left: number;
  /**
   * Else a call reads on to twice of what was written since the last one of its watcher that ended with the budget, so
   * that it gains on history; to so many at most.
   */
  readonly most: number;
  /** Who has no more records than this to look at reads them at no cost: who is up to date never waits for others. */
  readonly free: number;
}

/**
 * A cursor over history, not a queue: a slow reader costs no memory. `onReady` is called (inside `apply`, so do
 * nothing there but schedule) when `next` may have something after it returned undefined.
 */
export interface Watcher {
  /**
   * The next batch, or undefined when there is nothing yet. It ends with the revision with which it has reached
   * `maxEvents` or `maxBytes`, of keys and values, or with the budget, if one is given. A revision is always looked at as a
   * whole.
   */
  next(maxEvents: number, maxBytes?: number, budget?: ReadBudget): WatchBatch | undefined;
  /** Everything at or below this revision was delivered or did not match. */
  readonly deliveredRevision: number;
  /** True when `next` has nothing to give now. */
  readonly synced: boolean;
  close(): void;
}
