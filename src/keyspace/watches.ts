/**
 * Watchers: cursors onto history. One that has everything costs nothing until a record that it wants is written;
 * then its cursor is set to that record's revision and it is told once.
 *
 * Events of one revision are never split, revisions rise, nothing is lost or repeated, also across the installation
 * of a snapshot; a watcher whose next event is compacted away ends with 'compacted'.
 */
import { copyBytes, equalBytes, isUnboundedEnd, rangeContains } from './bytes.ts';
import { IntervalTree } from './interval-tree.ts';
import { Store } from './store.ts';
import { none } from './tables.ts';
import type { KeyValue, WatchBatch, WatchEvent, Watcher, WatchRequest } from './types.ts';
import { eventBytes, type Kind, WatchKinds } from './watch-kinds.ts';

const noBytes = new Uint8Array(0);

class Cursor implements Watcher {
  readonly request: WatchRequest;
  readonly onReady: () => void;
  readonly kind: Kind;
  private readonly hub: WatchHub;
  /** Nothing at or above `nextRevision` is known to be waiting. */
  idle: boolean;
  /** The revision to read from, when not idle; the first one wanted, when idle. */
  nextRevision: number;
  /** Closed by the user, or ended by compaction. */
  ended = false;
  private endedAt = 0;

  constructor(hub: WatchHub, request: WatchRequest, onReady: () => void) {
    this.hub = hub;
    this.request = {
      ...request,
      key: copyBytes(request.key),
      rangeEnd: copyBytes(request.rangeEnd),
    };
    this.onReady = onReady;
    this.kind = hub.kinds.join(this.request);
    const revision = hub.store.revision;
    this.nextRevision = request.startRevision > 0 ? request.startRevision : revision + 1;
    this.idle = this.nextRevision > revision;
  }

  get synced(): boolean {
    return this.idle || this.ended;
  }

  get deliveredRevision(): number {
    if (this.ended) return this.endedAt;
    return this.idle ? this.hub.store.revision : this.nextRevision - 1;
  }

  next(maxEvents: number, maxBytes = Number.POSITIVE_INFINITY): WatchBatch | undefined {
    if (this.ended || this.idle) return undefined;
    const store = this.hub.store;
    if (this.nextRevision < store.compactRevision) {
      this.close();
      return { type: 'compacted', compactRevision: store.compactRevision };
    }
    const { kind } = this;
    if (kind.count === 1) return this.read(maxEvents, maxBytes);
    const name = `${this.nextRevision} ${maxEvents} ${maxBytes}`;
    const known = kind.readings.get(name);
    if (known !== undefined) {
      this.nextRevision = known.nextRevision;
      this.idle = known.idle;
      return known.batch;
    }
    const batch = this.read(maxEvents, maxBytes);
    this.hub.kinds.keep(kind, name, { batch, nextRevision: this.nextRevision, idle: this.idle });
    return batch;
  }

  private read(maxEvents: number, maxBytes: number): WatchBatch | undefined {
    const store = this.hub.store;
    const shared = this.kind.count > 1;
    const events: WatchEvent[] = [];
    const tail = store.history.tail;
    let revision = 0;
    let bytes = 0;
    for (let position = store.positionOf(this.nextRevision); position < tail; position++) {
      const record = store.history.at(position);
      const modRevision = store.records.modRevision(record);
      const full = events.length >= maxEvents || bytes >= maxBytes;
      if (modRevision !== revision && full && events.length > 0) {
        this.nextRevision = modRevision;
        return { type: 'events', events, revision: modRevision - 1, shared };
      }
      revision = modRevision;
      if (!this.wants(record)) continue;
      const event = this.event(record);
      bytes += eventBytes(event);
      events.push(event);
    }
    this.idle = true;
    this.nextRevision = store.revision + 1;
    return events.length === 0 ? undefined : { type: 'events', events, revision: store.revision, shared };
  }

  close(): void {
    if (this.ended) return;
    this.endedAt = this.deliveredRevision;
    this.ended = true;
    this.hub.remove(this);
  }

  wantsType(tombstone: boolean): boolean {
    return tombstone ? !this.request.noDelete : !this.request.noPut;
  }

  private wants(record: number): boolean {
    const { store } = this.hub;
    if (!this.wantsType(store.records.isTombstone(record))) return false;
    const key = store.keys.view(store.records.key(record));
    return rangeContains(this.request.key, this.request.rangeEnd, key);
  }

  private event(record: number): WatchEvent {
    const { store } = this.hub;
    const kv = store.keyValue(record);
    // As in etcd, also where the transaction that made the key had deleted it before.
    const created = kv.createRevision === kv.modRevision;
    const prevKv = this.request.prevKv && !created ? this.previous(record) : undefined;
    return { type: store.records.isTombstone(record) ? 'delete' : 'put', kv, prevKv };
  }

  /** The key as it was one revision before, if that revision is still readable. */
  private previous(record: number): KeyValue | undefined {
    const { store } = this.hub;
    const before = store.records.modRevision(record) - 1;
    if (before < store.compactRevision) return undefined;
    const previous = store.visibleAt(store.records.key(record), before);
    return previous === none ? undefined : store.keyValue(previous);
  }
}

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
