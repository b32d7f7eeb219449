import { copyBytes, rangeContains } from './bytes.ts';
import { none } from './tables.ts';
import type { KeyValue, ReadBudget, WatchBatch, WatchEvent, Watcher, WatchRequest } from './types.ts';
import { type Kept, mostKeptEventBytes, mostKeptEvents } from './watch-kept.ts';
import { eventBytes, type Kind, readingOf } from './watch-kinds.ts';
import type { WatchHub } from './watches.ts';

export function wantsType({ noPut, noDelete }: WatchRequest, tombstone: boolean): boolean {
  return tombstone ? !noDelete : !noPut;
}

/** One watcher: where in history it stands. */
export class Cursor implements Watcher {
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
  /** It was idle, and was told of what came since. */
  live = false;
  private endedAt = 0;
  /** Where history ended when it last looked at it within a budget. */
  private searchedTail: number;
  /** What compactions took out of history before it was read, and up to where that goes. */
  private kept: Kept[] = [];
  private keptBelow = 0;

  constructor(hub: WatchHub, request: WatchRequest, onReady: () => void) {
    this.hub = hub;
    this.request = {
      ...request,
      key: copyBytes(request.key),
      rangeEnd: copyBytes(request.rangeEnd),
    };
    this.onReady = onReady;
    this.kind = hub.kinds.of(this.request);
    const { revision, history } = hub.store;
    this.searchedTail = history.tail;
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

  next(maxEvents: number, maxBytes = Number.POSITIVE_INFINITY, budget?: ReadBudget): WatchBatch | undefined {
    if (this.ended || this.idle) return undefined;
    if (this.kept.length > 0) return this.takeKept();
    const store = this.hub.store;
    if (this.nextRevision < store.compactRevision) {
      this.close();
      return { type: 'compacted', compactRevision: store.compactRevision };
    }
    const { kind } = this;
    if (kind.cursors.size === 1) return this.read(maxEvents, maxBytes, budget);
    const asked = { from: this.nextRevision, maxEvents, maxBytes };
    const known = readingOf(kind, asked);
    if (known !== undefined) {
      this.nextRevision = known.nextRevision;
      this.idle = known.idle;
      return known.batch;
    }
    const batch = this.read(maxEvents, maxBytes, budget);
    // Where there was no budget left nothing was read, which tells the others nothing.
    if (batch?.type !== 'unfinished' || this.nextRevision > asked.from) {
      this.hub.kinds.keep(kind, { asked, batch, nextRevision: this.nextRevision, idle: this.idle });
    }
    return batch;
  }

  private read(maxEvents: number, maxBytes: number, budget: ReadBudget | undefined): WatchBatch | undefined {
    const { revision } = this.hub.store;
    const { events, stoppedAt } = this.collect(this.nextRevision, revision + 1, maxEvents, maxBytes, budget);
    this.nextRevision = stoppedAt;
    this.idle = stoppedAt > revision;
    if (events.length === 0) return this.idle ? undefined : { type: 'unfinished' };
    return { type: 'events', events, revision: stoppedAt - 1, shared: this.kind.cursors.size > 1 };
  }

  /** Events of whole revisions below `end`, up to the revision at which there were enough or the budget ended, or to `end`. */
  private collect(
    from: number,
    end: number,
    maxEvents: number,
    maxBytes: number,
    budget?: ReadBudget,
  ): { readonly events: WatchEvent[]; readonly stoppedAt: number } {
    const { store } = this.hub;
    const events: WatchEvent[] = [];
    const tail = store.history.tail;
    let revision = 0;
    let bytes = 0;
    const first = store.positionOf(from);
    const free = budget === undefined || tail - first <= budget.free;
    const last = free ? tail : first + this.allowed(budget, tail);
    let stoppedAt = end;
    let position = first;
    for (; position < tail; position++) {
      const record = store.history.at(position);
      const modRevision = store.records.modRevision(record);
      if (modRevision >= end) break;
      if (modRevision !== revision) {
        const full = events.length >= maxEvents || bytes >= maxBytes;
        if ((full && events.length > 0) || position >= last) {
          stoppedAt = modRevision;
          break;
        }
        revision = modRevision;
      }
      if (!this.wants(record)) continue;
      const event = this.event(record);
      bytes += eventBytes(event);
      events.push(event);
    }
    if (!free) budget.left = Math.max(0, budget.left - (position - first));
    return { events, stoppedAt };
  }

  /** Records that it may look at, of a history that ends at `tail`. */
  private allowed({ left, most }: ReadBudget, tail: number): number {
    if (left === 0) return 0;
    const written = tail - this.searchedTail;
    this.searchedTail = tail;
    return Math.max(left, Math.min(most, 2 * written));
  }

  /** From where on it lacks what a compaction to `revision` takes away; undefined: nothing, or it has been too late for long. */
  unreadFrom(revision: number): number | undefined {
    if (this.ended || this.idle || !this.live) return undefined;
    const from = this.kept.length > 0 ? this.keptBelow : this.nextRevision;
    return from < revision && from >= this.hub.store.compactRevision ? from : undefined;
  }

  /** undefined where that is too much. */
  readBefore(revision: number, from: number): Kept | 'nothing' | undefined {
    const { events, stoppedAt } = this.collect(from, revision, mostKeptEvents, mostKeptEventBytes);
    if (stoppedAt < revision) return undefined;
    return events.length === 0 ? 'nothing' : this.hub.kept.make(events, revision - 1);
  }

  /** This is all that it lacks below `revision`. */
  keep(kept: Kept | 'nothing', revision: number): void {
    if (kept !== 'nothing') {
      kept.holders++;
      this.kept.push(kept);
    }
    if (this.kept.length > 0) this.keptBelow = revision;
    else this.nextRevision = revision;
  }

  private takeKept(): WatchBatch {
    const kept = this.kept.shift() as Kept;
    this.hub.kept.release(kept);
    this.nextRevision = this.kept.length > 0 ? kept.batch.revision + 1 : this.keptBelow;
    return kept.batch;
  }

  close(): void {
    if (this.ended) return;
    this.endedAt = this.deliveredRevision;
    this.ended = true;
    for (const kept of this.kept.splice(0)) this.hub.kept.release(kept);
    this.hub.remove(this);
  }

  private wants(record: number): boolean {
    const { store } = this.hub;
    if (!wantsType(this.request, store.records.isTombstone(record))) return false;
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
