/** Range reads with every option of etcd's Range, from the latest state or one not yet compacted. */
import { compareBytes, isUnboundedEnd } from './bytes.ts';
import type { Store } from './store.ts';
import { none, rowInPage } from './tables.ts';
import type { CommandFailure, RangeRequest, RangeResult, SortTarget } from './types.ts';

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

function hasRevisionBounds(request: RangeRequest): boolean {
  return (
    request.minModRevision !== 0 ||
    request.maxModRevision !== 0 ||
    request.minCreateRevision !== 0 ||
    request.maxCreateRevision !== 0
  );
}

function withinBounds(store: Store, record: number, request: RangeRequest): boolean {
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

function compareRecords(
  store: Store,
  target: Exclude<SortTarget, 'key'>,
  left: number,
  right: number,
): number {
  if (target === 'value') return compareBytes(store.valueView(left), store.valueView(right));
  const leftPage = store.records.page(left);
  const rightPage = store.records.page(right);
  const column = target === 'version' ? 'version' : target === 'create' ? 'createRevision' : 'modRevision';
  return (leftPage[column][rowInPage(left)] as number) - (rightPage[column][rowInPage(right)] as number);
}

/**
 * The order of etcd 3.4: keys in order unless asked otherwise; a sort target without an order means ascending. Ties
 * stay in key order, descending too.
 */
function sortRecords(store: Store, records: number[], request: RangeRequest): void {
  const { sortOrder, sortTarget } = request;
  if (sortTarget === 'key') {
    if (sortOrder === 'descend') records.reverse();
    return;
  }
  const sign = sortOrder === 'descend' ? -1 : 1;
  records.sort((left, right) => sign * compareRecords(store, sortTarget, left, right));
}

/**
 * Reads a range whose revision was checked. As in etcd, `count` counts every key of the range whatever the limit
 * and the revision bounds; a sort order or bounds look at all of them before the limit cuts, whereas a sort target
 * without an order sorts only what the limit let through, and one more.
 */
export function readRange(store: Store, request: RangeRequest): RangeResult {
  const bounded = hasRevisionBounds(request);
  const limit = Math.max(0, request.limit);
  const cutEarly = limit > 0 && request.sortOrder === 'none' && !bounded;
  const wanted = cutEarly ? limit + 1 : Number.POSITIVE_INFINITY;
  const records: number[] = [];
  let count = 0;
  visitRange(store, request.key, request.rangeEnd, request.revision, (record) => {
    count++;
    if (request.countOnly || records.length >= wanted) return undefined;
    if (!bounded || withinBounds(store, record, request)) records.push(record);
    return undefined;
  });
  sortRecords(store, records, request);
  const more = limit > 0 && records.length > limit;
  if (more) records.length = limit;
  return { kvs: records.map((record) => store.keyValue(record, !request.keysOnly)), more, count };
}
