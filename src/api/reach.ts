import type { KeyspaceReader, Operation, TxnRequest } from '../keyspace/types.ts';
import { failure } from './status.ts';

/** Keys that one transaction may look at: some 0.1 s. Or as many as there are, if those are more. */
const mostReachedKeys = 2_000_000;
/** Key-values that its answer may hold: some 0.3 s to copy and encode them. */
const mostReachedKeyValues = 100_000;

/**
 * A transaction is applied, and its answer made, in one turn of the loop, while nothing else runs: one of 128 ranges over
 * all keys would take a leader so long that the others elect another. So what it would look at is estimated by the index
 * before it is proposed. @throws StatusError
 */
export function checkReach(keyspace: KeyspaceReader, transactions: readonly TxnRequest[]): void {
  const mostKeys = Math.max(mostReachedKeys, keyspace.keyCount);
  let reach = reachOf(keyspace, transactions);
  if (reach.keys <= mostKeys && reach.keyValues > mostReachedKeyValues) {
    // Much of what it found may be deleted by now.
    reach = reachOf(keyspace, transactions, mostReachedKeyValues);
  }
  if (reach.keys <= mostKeys && reach.keyValues <= mostReachedKeyValues) return;
  throw failure('rangesTooLarge', {
    text:
      `conclave: the ranges of this transaction look at ${reach.keys} keys and give ${reach.keyValues} key-values or more; ` +
      `one may look at ${mostKeys} and give ${mostReachedKeyValues}. Read ranges on their own, or with a limit.`,
  });
}

function reachOf(keyspace: KeyspaceReader, transactions: readonly TxnRequest[], countTo?: number) {
  let keys = 0;
  let keyValues = 0;
  for (const transaction of transactions) {
    if (!hasRanges(transaction)) continue;
    const reach = keyspace.reach(transaction, countTo);
    keys += reach.keys;
    keyValues += reach.keyValues;
  }
  return { keys, keyValues };
}

/** Of most transactions this is all that is looked at. */
function hasRanges({ compare, success, failure: otherwise }: TxnRequest): boolean {
  for (const { rangeEnd } of compare) if (rangeEnd.length > 0) return true;
  return haveRanges(success) || haveRanges(otherwise);
}

function haveRanges(operations: readonly Operation[]): boolean {
  for (const operation of operations) {
    if (operation.type === 'put') continue;
    if (operation.type === 'txn' ? hasRanges(operation.request) : operation.request.rangeEnd.length > 0)
      return true;
  }
  return false;
}
