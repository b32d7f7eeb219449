/** Range reads with every option of etcd's Range, from the latest state or one not yet compacted. */
import { compareBytes, isUnboundedEnd } from './bytes.ts';
import { type PartBounds, RangeRest } from './range-rest.ts';
import type { RangeTally } from './range-tally.ts';
import { firstSorted } from './sorting.ts';
import type { Store } from './store.ts';
import { none, rowInPage } from './tables.ts';
import type { CommandFailure, KeyValue, RangeRequest, RangeResult } from './types.ts';

/** Why a range at this revision cannot be read, if so. `ceiling` is the highest revision that may be asked. */
export function checkRevision(store: Store, revision: number, ceiling: number): CommandFailure | undefined {
  if (revision <= 0) return undefined;
  if (revision > ceiling) return 'future-revision';
  return revision < store.compactRevision ? 'compacted' : undefined;
}

/**
 * Visits the record of each key in the range that is current (`revision` 0: now, uncommitted writes included) or
 * was at `revision`, in key order, until `visit` returns false.
 */
export function visitRange(
  store: Store,
  key: Uint8Array,
  rangeEnd: Uint8Array,
  revision: number,
  visit: (record: number) => boolean | undefined,
): void {
  if (rangeEnd.length === 0) {
    const row = store.findRow(key);
    if (row < 0) return;
    const record = revision > 0 ? store.visibleAt(row, revision) : store.current(row);
    if (record !== none) visit(record);
    return;
  }
  const end = isUnboundedEnd(rangeEnd) ? undefined : rangeEnd;
  if (end !== undefined && compareBytes(end, key) <= 0) return;
  store.index.scan(key, end, (row) => {
    const record = revision > 0 ? store.visibleAt(row, revision) : store.current(row);
    return record === none ? undefined : visit(record);
  });
}

export function hasRevisionBounds(request: RangeRequest): boolean {
  return (
    request.minModRevision !== 0 ||
    request.maxModRevision !== 0 ||
    request.minCreateRevision !== 0 ||
    request.maxCreateRevision !== 0
  );
}

export function withinBounds(store: Store, record: number, request: RangeRequest): boolean {
  const page = store.records.page(record);
  const mod = page.modRevision[rowInPage(record)] as number;
  const create = page.createRevision[rowInPage(record)] as number;
  return (
    (request.maxModRevision === 0 || mod <= request.maxModRevision) &&
    mod >= request.minModRevision &&
    (request.maxCreateRevision === 0 || create <= request.maxCreateRevision) &&
    create >= request.minCreateRevision
  );
}

/**
 * Reads a range whose revision was checked. As in etcd, `count` counts every key of the range whatever the limit
 * and the revision bounds; a sort order or bounds look at all of them before the limit cuts, whereas a sort target
 * without an order sorts only what the limit let through, and one more. It stops where the tally is over. With
 * `bounds` its result holds a first part, and what is left of it where that is not all.
 */
export function readRange(
  store: Store,
  request: RangeRequest,
  tally?: RangeTally,
  bounds?: PartBounds,
): RangeResult {
  const bounded = hasRevisionBounds(request);
  const limit = Math.max(0, request.limit);
  const cutEarly = limit > 0 && request.sortOrder === 'none' && !bounded;
  const wanted = cutEarly ? limit + 1 : Number.POSITIVE_INFINITY;
  const records: number[] = [];
  let count = 0;
  visitRange(store, request.key, request.rangeEnd, request.revision, (record) => {
    count++;
    if (tally !== undefined) {
      tally.countKey();
      if (tally.isOver) return false;
    }
    if (request.countOnly || records.length >= wanted) return undefined;
    if (!bounded || withinBounds(store, record, request)) records.push(record);
    return undefined;
  });
  if (tally?.isOver === true) return notRead;
  const more = limit > 0 && records.length > limit;
  const first =
    cutEarly && request.sortTarget !== 'key'
      ? firstSorted(store, records, request, records.length).slice(0, limit)
      : firstSorted(store, records, request, limit > 0 ? limit : records.length);
  if (bounds !== undefined && first.length > fewKeyValues) {
    const revision = request.revision > 0 ? request.revision : store.revision;
    const rest = new RangeRest(store, revision, first, !request.keysOnly, bounds);
    const kvs = rest.next();
    if (!rest.atEnd) return { kvs, more, count, rest };
    rest.close();
    return { kvs, more, count };
  }
  const kvs: KeyValue[] = [];
  for (const record of first) {
    const kv = store.keyValue(record, !request.keysOnly);
    kvs.push(kv);
    if (tally === undefined) continue;
    tally.countBytes(kv.key.length + kv.value.length);
    if (tally.isOver) return notRead;
  }
  return { kvs, more, count };
}

/** So many are copied at once whatever they hold: their values are no longer than requests. */
const fewKeyValues = 8;

/** In place of a result that nobody needs. */
export const notRead: RangeResult = { kvs: [], more: false, count: 0 };
