/** What a transaction would look at, found without doing so: a look at the index for each range. */
import { compareBytes, isUnboundedEnd } from './bytes.ts';
import type { KeyIndex } from './key-index.ts';
import type { Operation, TxnRequest } from './types.ts';

export interface Reach {
  /** Keys in the ranges that it compares, reads and deletes: one that is in two ranges counts twice. */
  readonly keys: number;
  /** Key-values that its result would hold. */
  readonly keyValues: number;
}

/** Of the branch that reaches further; single keys count nothing. What is written meanwhile may change it. */
export function reachOf(index: KeyIndex, request: TxnRequest): Reach {
  const compared = request.compare.reduce((sum, one) => sum + keysIn(index, one), 0);
  const success = reachOfAll(index, request.success);
  const failure = reachOfAll(index, request.failure);
  return {
    keys: compared + Math.max(success.keys, failure.keys),
    keyValues: Math.max(success.keyValues, failure.keyValues),
  };
}

function reachOfAll(index: KeyIndex, operations: readonly Operation[]): Reach {
  let keys = 0;
  let keyValues = 0;
  for (const operation of operations) {
    if (operation.type === 'put') continue;
    if (operation.type === 'txn') {
      const inner = reachOf(index, operation.request);
      keys += inner.keys;
      keyValues += inner.keyValues;
      continue;
    }
    const found = keysIn(index, operation.request);
    keys += found;
    if (operation.type === 'range') {
      const { limit, countOnly } = operation.request;
      if (!countOnly) keyValues += limit > 0 ? Math.min(limit, found) : found;
    } else if (operation.request.prevKv) {
      keyValues += found;
    }
  }
  return { keys, keyValues };
}

function keysIn(index: KeyIndex, { key, rangeEnd }: { key: Uint8Array; rangeEnd: Uint8Array }): number {
  if (rangeEnd.length === 0) return 0;
  if (isUnboundedEnd(rangeEnd)) return index.count(key, undefined);
  return compareBytes(rangeEnd, key) <= 0 ? 0 : index.count(key, rangeEnd);
}
