/** What a transaction would look at, found without doing so: a look at the index for each range. */
import { compareBytes, isUnboundedEnd } from './bytes.ts';
import { hasRevisionBounds, visitRange, withinBounds } from './ranges.ts';
import type { Store } from './store.ts';
import type { Operation, RangeRequest, TxnRequest } from './types.ts';

export interface Reach {
  /** Keys in the ranges that it compares, reads and deletes: one that is in two ranges counts twice. */
  readonly keys: number;
  /** Key-values that its result would hold. */
  readonly keyValues: number;
}

/**
 * Of the branch that reaches further; single keys count nothing. What is written meanwhile may change it. Deleted keys that
 * no compaction has dropped yet count as those that are there, unless `countTo` is given: then key-values are looked at one by
 * one, up to so many.
 */
export function reachOf(store: Store, request: TxnRequest, countTo?: number): Reach {
  const compared = request.compare.reduce((sum, one) => sum + keysIn(store, one), 0);
  const success = reachOfAll(store, request.success, countTo);
  const failure = reachOfAll(store, request.failure, countTo);
  return {
    keys: compared + Math.max(success.keys, failure.keys),
    keyValues: Math.max(success.keyValues, failure.keyValues),
  };
}

function reachOfAll(store: Store, operations: readonly Operation[], countTo: number | undefined): Reach {
  let keys = 0;
  let keyValues = 0;
  for (const operation of operations) {
    if (operation.type === 'put') continue;
    if (operation.type === 'txn') {
      const inner = reachOf(store, operation.request, countTo);
      keys += inner.keys;
      keyValues += inner.keyValues;
      continue;
    }
    const found = keysIn(store, operation.request);
    keys += found;
    if (operation.type === 'range') {
      const { limit, countOnly } = operation.request;
      const given = countOnly ? 0 : keyValuesIn(store, operation.request, found, countTo);
      keyValues += limit > 0 ? Math.min(limit, given) : given;
    } else if (operation.request.prevKv) {
      keyValues += keyValuesIn(store, operation.request, found, countTo);
    }
  }
  return { keys, keyValues };
}

/** At most `found`, which is as far as nobody has counted. */
function keyValuesIn(
  store: Store,
  request: { key: Uint8Array; rangeEnd: Uint8Array } | RangeRequest,
  found: number,
  countTo: number | undefined,
): number {
  if (countTo === undefined || found === 0) return found;
  const range = 'limit' in request ? request : undefined;
  const bounded = range !== undefined && hasRevisionBounds(range);
  let count = 0;
  visitRange(store, request.key, request.rangeEnd, range?.revision ?? 0, (record) => {
    if (!bounded || withinBounds(store, record, range)) count++;
    return count <= countTo;
  });
  return count;
}

function keysIn({ index }: Store, { key, rangeEnd }: { key: Uint8Array; rangeEnd: Uint8Array }): number {
  if (rangeEnd.length === 0) return 0;
  if (isUnboundedEnd(rangeEnd)) return index.count(key, undefined);
  return compareBytes(rangeEnd, key) <= 0 ? 0 : index.count(key, rangeEnd);
}
