/**
 * Puts, deletes and transactions, with etcd's order of things: all compares, those of nested transactions too, see
 * the state before the transaction; then everything that could fail is checked along the path that will run; only
 * then is anything applied. So a transaction that fails applies nothing.
 */
import { compareBytes } from './bytes.ts';
import type { LeaseTable } from './leases.ts';
import type { RangeTally } from './range-tally.ts';
import { checkRevision, notRead, readRange, visitRange } from './ranges.ts';
import type { Store } from './store.ts';
import { none, rowInPage } from './tables.ts';
import type {
  CommandFailure,
  Compare,
  DeleteRangeRequest,
  DeleteRangeResult,
  KeyValue,
  Operation,
  OperationResult,
  PutRequest,
  PutResult,
  TxnRequest,
  TxnResult,
} from './types.ts';

export interface Failed {
  readonly failed: CommandFailure;
}

function orderHolds(order: number, result: Compare['result']): boolean {
  switch (result) {
    case 'equal':
      return order === 0;
    case 'not-equal':
      return order !== 0;
    case 'greater':
      return order > 0;
    case 'less':
      return order < 0;
  }
}

/** The order of a record against a compare's target; a missing key counts as all zeros. */
function orderOf(store: Store, record: number, target: Compare['target']): number {
  if (target.kind === 'value') return compareBytes(store.valueView(record), target.value);
  if (target.kind === 'lease') {
    const lease = record === none ? 0n : store.records.lease(record);
    return lease === target.lease ? 0 : lease < target.lease ? -1 : 1;
  }
  if (record === none) return 0 - target.revision;
  const page = store.records.page(record);
  const column = { version: page.version, create: page.createRevision, mod: page.modRevision }[target.kind];
  return (column[rowInPage(record)] as number) - target.revision;
}

/** True when it holds for every key of the range. On an empty range a value never compares. */
function compareHolds(store: Store, compare: Compare): boolean {
  let found = false;
  let holds = true;
  visitRange(store, compare.key, compare.rangeEnd, 0, (record) => {
    found = true;
    holds = orderHolds(orderOf(store, record, compare.target), compare.result);
    return holds;
  });
  if (found) return holds;
  return compare.target.kind !== 'value' && orderHolds(orderOf(store, none, compare.target), compare.result);
}

/** Which branch each transaction takes, in the order in which they are met. */
function choosePath(store: Store, request: TxnRequest, path: boolean[]): boolean[] {
  const succeeded = request.compare.every((compare) => compareHolds(store, compare));
  path.push(succeeded);
  for (const operation of succeeded ? request.success : request.failure) {
    if (operation.type === 'txn') choosePath(store, operation.request, path);
  }
  return path;
}

/** Walks the operations that a path runs, nested ones in place, until `visit` gives a failure. */
function findFailure(
  request: TxnRequest,
  path: Iterator<boolean>,
  visit: (operation: Operation) => CommandFailure | undefined,
): CommandFailure | undefined {
  const operations = path.next().value === true ? request.success : request.failure;
  for (const operation of operations) {
    const failure = operation.type === 'txn' ? findFailure(operation.request, path, visit) : visit(operation);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

export class Transactions {
  private readonly store: Store;
  private readonly leases: LeaseTable;

  constructor(store: Store, leases: LeaseTable) {
    this.store = store;
    this.leases = leases;
  }

  /** A put on its own: a missing lease is found before a missing key. */
  put(request: PutRequest): PutResult | Failed {
    if (request.lease !== 0n && !this.leases.has(request.lease)) return { failed: 'lease-not-found' };
    if ((request.ignoreValue || request.ignoreLease) && this.store.find(request.key) === none) {
      return { failed: 'key-not-found' };
    }
    const result = this.applyPut(request);
    this.store.commit();
    return result;
  }

  deleteRange(request: DeleteRangeRequest): DeleteRangeResult {
    const result = this.applyDelete(request);
    this.store.commit();
    return result;
  }

  /** Ranges are read as far as the tally goes; without one, all of them. */
  txn(request: TxnRequest, tally?: RangeTally): TxnResult | Failed {
    const path = choosePath(this.store, request, []);
    const failure =
      findFailure(request, path.values(), (operation) => this.checkPut(operation)) ??
      findFailure(request, path.values(), (operation) => this.checkRange(operation));
    if (failure !== undefined) return { failed: failure };
    const result = this.applyTxn(request, path.values(), tally);
    this.store.commit();
    return result;
  }

  /** In a transaction a missing key is found before a missing lease. */
  private checkPut(operation: Operation): CommandFailure | undefined {
    if (operation.type !== 'put') return undefined;
    const { key, lease, ignoreValue, ignoreLease } = operation.request;
    if ((ignoreValue || ignoreLease) && this.store.find(key) === none) return 'key-not-found';
    return lease !== 0n && !this.leases.has(lease) ? 'lease-not-found' : undefined;
  }

  /** As etcd, which takes a negative revision for 0 in a range on its own only. Its oldest one is -1 at first. */
  private checkRange(operation: Operation): CommandFailure | undefined {
    if (operation.type !== 'range') return undefined;
    if (operation.request.revision < (this.store.compactRevision === 0 ? -1 : 0)) return 'compacted';
    return checkRevision(this.store, operation.request.revision, this.store.revision);
  }

  private applyTxn(request: TxnRequest, path: Iterator<boolean>, tally?: RangeTally): TxnResult {
    const succeeded = path.next().value === true;
    const responses: OperationResult[] = [];
    for (const operation of succeeded ? request.success : request.failure) {
      if (operation.type === 'put') {
        responses.push({ type: 'put', result: this.applyPut(operation.request) });
      } else if (operation.type === 'range') {
        const result = tally?.isOver ? notRead : readRange(this.store, operation.request, tally);
        responses.push({ type: 'range', result });
      } else if (operation.type === 'deleteRange') {
        responses.push({ type: 'deleteRange', result: this.applyDelete(operation.request) });
      } else {
        responses.push({ type: 'txn', result: this.applyTxn(operation.request, path, tally) });
      }
    }
    return { succeeded, responses };
  }

  /**
   * The key to ignore a value or lease of was there before the transaction. Should the transaction itself have
   * deleted it (which the check for duplicate keys does not always see), the request's own are taken.
   */
  private applyPut(request: PutRequest): PutResult {
    let { value, lease } = request;
    let prevKv: KeyValue | undefined;
    if (request.prevKv || request.ignoreValue || request.ignoreLease) {
      const current = this.store.find(request.key);
      if (current !== none) {
        if (request.prevKv) prevKv = this.store.keyValue(current);
        if (request.ignoreValue) value = this.store.valueView(current);
        if (request.ignoreLease) lease = this.store.records.lease(current);
      }
    }
    this.store.put(request.key, value, lease);
    return { prevKv };
  }

  private applyDelete(request: DeleteRangeRequest): DeleteRangeResult {
    const rows: number[] = [];
    const prevKvs: KeyValue[] = [];
    visitRange(this.store, request.key, request.rangeEnd, 0, (record) => {
      rows.push(this.store.records.key(record));
      if (request.prevKv) prevKvs.push(this.store.keyValue(record));
      return undefined;
    });
    for (const row of rows) this.store.delete(row);
    return { deleted: rows.length, prevKvs };
  }
}
