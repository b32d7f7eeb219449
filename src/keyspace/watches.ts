/**
 * Watchers: cursors onto history. One that has everything costs nothing until a record that it wants is written;
 * then its cursor is set to that record's revision and it is told once.
 *
 * Events of one revision are never split, revisions rise, nothing is lost or repeated, also across the installation
 * of a snapshot; a watcher whose next event is compacted away ends with 'compacted'. That befalls none that was up to
 * date shortly before: what it has not read is kept for it (`watch-kept.ts`).
 */
import { equalBytes, isUnboundedEnd } from './bytes.ts';
import { IntervalTree } from './interval-tree.ts';
import { Store } from './store.ts';
import type { Watcher, WatchRequest } from './types.ts';
import { Cursor } from './watch-cursor.ts';
import { type Kept, KeptEvents, mostReadRecords } from './watch-kept.ts';
import { WatchKinds } from './watch-kinds.ts';

const noBytes = new Uint8Array(0);

interface ExactGroup {
  readonly key: Uint8Array;
  readonly cursors: Set<Cursor>;
}

export class WatchHub {
  store: Store;
  private readonly cursors = new Set<Cursor>();
  /** Watchers of single keys, by the key's hash. */
  private readonly exact = new Map<number, ExactGroup[]>();
  private readonly ranges = new IntervalTree<Cursor>();
  private rangeCount = 0;
  readonly kinds = new WatchKinds();
  readonly kept = new KeptEvents();

  constructor(store: Store) {
    this.store = store;
  }

  get count(): number {
    return this.cursors.size;
  }

  watch(request: WatchRequest, onReady: () => void): Watcher {
    const cursor = new Cursor(this, request, onReady);
    this.cursors.add(cursor);
    const { key, rangeEnd } = cursor.request;
    if (rangeEnd.length === 0) {
      const hash = Store.keyHash(key);
      const groups = this.exact.get(hash) ?? [];
      if (groups.length === 0) this.exact.set(hash, groups);
      const group = groups.find((candidate) => equalBytes(candidate.key, key));
      if (group !== undefined) group.cursors.add(cursor);
      else groups.push({ key, cursors: new Set([cursor]) });
    } else {
      this.ranges.add(key, isUnboundedEnd(rangeEnd) ? undefined : rangeEnd, cursor);
      this.rangeCount++;
    }
    return cursor;
  }

  remove(cursor: Cursor): void {
    if (!this.cursors.delete(cursor)) return;
    this.kinds.leave(cursor.kind);
    const { key, rangeEnd } = cursor.request;
    if (rangeEnd.length > 0) {
      this.ranges.delete(key, isUnboundedEnd(rangeEnd) ? undefined : rangeEnd, cursor);
      this.rangeCount--;
      return;
    }
    const hash = Store.keyHash(key);
    const groups = this.exact.get(hash) ?? [];
    const at = groups.findIndex((candidate) => equalBytes(candidate.key, key));
    const group = groups[at];
    if (group === undefined) return;
    group.cursors.delete(cursor);
    if (group.cursors.size > 0) return;
    groups.splice(at, 1);
    if (groups.length === 0) this.exact.delete(hash);
  }

  /** Wakes the idle watchers that want a record at or after this position in history. */
  notifyFrom(position: number): void {
    this.kinds.forgetReadings();
    if (this.cursors.size === 0) return;
    const store = this.store;
    const woken: Cursor[] = [];
    let modRevision = 0;
    let tombstone = false;
    const touch = (cursor: Cursor): void => {
      if (!cursor.idle || cursor.nextRevision > modRevision || !cursor.wantsType(tombstone)) return;
      cursor.idle = false;
      cursor.live = true;
      cursor.nextRevision = modRevision;
      woken.push(cursor);
    };
    for (let at = position; at < store.history.tail; at++) {
      const record = store.history.at(at);
      modRevision = store.records.modRevision(record);
      tombstone = store.records.isTombstone(record);
      const row = store.records.key(record);
      const groups = this.exact.get(store.keys.hash(row));
      const key = groups !== undefined || this.rangeCount > 0 ? store.keys.view(row) : noBytes;
      if (groups !== undefined) {
        for (const group of groups) {
          if (equalBytes(group.key, key)) for (const cursor of group.cursors) touch(cursor);
        }
      }
      if (this.rangeCount > 0) this.ranges.visit(key, touch);
    }
    this.call(woken);
  }

  /**
   * To be called before a compaction: who was up to date keeps what it has not read yet. All must have been notified. Who is
   * the least behind comes first, since nothing else goes on while history is read.
   */
  keepUnread(revision: number): void {
    const behind: { readonly cursor: Cursor; readonly from: number }[] = [];
    for (const cursor of this.cursors) {
      const from = cursor.unreadFrom(revision);
      if (from !== undefined) behind.push({ cursor, from });
    }
    behind.sort((one, other) => other.from - one.from);
    const known = new Map<string, Kept | 'nothing' | undefined>();
    const end = this.store.positionOf(revision);
    let left = mostReadRecords;
    for (const { cursor, from } of behind) {
      const name = `${from} ${cursor.kind.name}`;
      if (!known.has(name)) {
        left -= end - this.store.positionOf(from);
        if (left < 0) return;
        known.set(name, cursor.readBefore(revision, from));
      }
      const kept = known.get(name);
      if (kept !== undefined) cursor.keep(kept, revision);
    }
  }

  /** Moves all watchers onto a store that was installed from a snapshot: each goes on after what it delivered. */
  moveTo(store: Store): void {
    this.kinds.forgetReadings();
    const woken: Cursor[] = [];
    for (const cursor of this.cursors) {
      if (!cursor.idle) continue;
      cursor.nextRevision = Math.max(cursor.nextRevision, cursor.deliveredRevision + 1);
      if (cursor.nextRevision > store.revision) continue;
      cursor.idle = false;
      woken.push(cursor);
    }
    this.store = store;
    this.call(woken);
  }

  /** A listener that throws must not stop the apply loop, nor the other listeners. */
  private call(cursors: readonly Cursor[]): void {
    for (const cursor of cursors) {
      try {
        cursor.onReady();
      } catch {
        // Its watcher stays ready; whoever reads it finds the events.
      }
    }
  }
}
