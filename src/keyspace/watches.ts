/**
 * Watchers: cursors onto history. One that has everything costs nothing until a record that it wants is written;
 * then its cursor is set to that record's revision and it is told once.
 *
 * Events of one revision are never split, revisions rise, nothing is lost or repeated, also across the installation
 * of a snapshot; a watcher whose next event is compacted away ends with 'compacted'. That befalls none that was up to
 * date shortly before: what it has not read is kept for it (`watch-kept.ts`).
 */
import { emptyBytes, equalBytes, isUnboundedEnd } from './bytes.ts';
import { IntervalTree } from './interval-tree.ts';
import { Store } from './store.ts';
import type { Watcher, WatchRequest } from './types.ts';
import { Cursor, wantsType } from './watch-cursor.ts';
import { type Kept, KeptEvents, mostReadRecords } from './watch-kept.ts';
import { type Kind, WatchKinds } from './watch-kinds.ts';

export class WatchHub {
  store: Store;
  private readonly cursors = new Set<Cursor>();
  /** Those of watchers of single keys, by the key's hash. */
  private readonly exact = new Map<number, Kind[]>();
  private readonly ranges = new IntervalTree<Kind>();
  private rangeCount = 0;
  /** Calls of `notifyFrom` so far. */
  private notified = 0;
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
    const { kind } = cursor;
    if (kind.cursors.size === 0) this.addKind(kind);
    kind.cursors.add(cursor);
    return cursor;
  }

  private addKind(kind: Kind): void {
    const { key, rangeEnd } = kind.request;
    if (rangeEnd.length > 0) {
      this.ranges.add(key, isUnboundedEnd(rangeEnd) ? undefined : rangeEnd, kind);
      this.rangeCount++;
      return;
    }
    const hash = Store.keyHash(key);
    const kinds = this.exact.get(hash);
    if (kinds === undefined) this.exact.set(hash, [kind]);
    else kinds.push(kind);
  }

  remove(cursor: Cursor): void {
    if (!this.cursors.delete(cursor)) return;
    const { kind } = cursor;
    kind.cursors.delete(cursor);
    if (kind.cursors.size > 0) return;
    this.kinds.drop(kind);
    const { key, rangeEnd } = kind.request;
    if (rangeEnd.length > 0) {
      this.ranges.delete(key, isUnboundedEnd(rangeEnd) ? undefined : rangeEnd, kind);
      this.rangeCount--;
      return;
    }
    const hash = Store.keyHash(key);
    const others = (this.exact.get(hash) ?? []).filter((other) => other !== kind);
    if (others.length > 0) this.exact.set(hash, others);
    else this.exact.delete(hash);
  }

  /** Wakes the idle watchers that want a record at or after this position in history. */
  notifyFrom(position: number): void {
    this.kinds.forgetReadings();
    if (this.cursors.size === 0) return;
    const store = this.store;
    const woken: Cursor[] = [];
    const call = ++this.notified;
    let modRevision = 0;
    let tombstone = false;
    const touch = (kind: Kind): void => {
      if (kind.wokenIn === call || !wantsType(kind.request, tombstone)) return;
      let isDone = true;
      for (const cursor of kind.cursors) {
        if (!cursor.idle) continue;
        if (cursor.nextRevision > modRevision) {
          isDone = false;
          continue;
        }
        cursor.idle = false;
        cursor.live = true;
        cursor.nextRevision = modRevision;
        woken.push(cursor);
      }
      if (isDone) kind.wokenIn = call;
    };
    for (let at = position; at < store.history.tail; at++) {
      const record = store.history.at(at);
      modRevision = store.records.modRevision(record);
      tombstone = store.records.isTombstone(record);
      const row = store.records.key(record);
      const kinds = this.exact.get(store.keys.hash(row));
      const key = kinds !== undefined || this.rangeCount > 0 ? store.keys.view(row) : emptyBytes;
      if (kinds !== undefined) {
        for (const kind of kinds) if (equalBytes(kind.request.key, key)) touch(kind);
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
