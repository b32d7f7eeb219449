import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from '../wire/index.ts';
import { compareBytes } from './convert.ts';
import { failure } from './status.ts';

/** etcd's limits and its defaults for them. */
export const limits = {
  /** Operations in one branch of a transaction, nested ones included. */
  transactionOperations: 128,
  /** One request that goes through the log. */
  requestBytes: 1.5 * 1024 * 1024,
  /** Any request: the above plus 512 KiB. */
  receivedBytes: 2 * 1024 * 1024,
  /** Longest TTL, seconds. */
  leaseTtlSeconds: 9_000_000_000,
} as const;

export function checkRange(request: RangeRequest): void {
  if (request.key.length === 0) throw failure('emptyKey');
}

export function checkPut(request: PutRequest): void {
  if (request.key.length === 0) throw failure('emptyKey');
  if (request.ignoreValue && request.value.length > 0) throw failure('valueProvided');
  if (request.ignoreLease && request.lease !== 0n) throw failure('leaseProvided');
}

export function checkDeleteRange(request: DeleteRangeRequest): void {
  if (request.key.length === 0) throw failure('emptyKey');
}

/** Shape first, overlaps after it, so that the size is bounded when overlaps are looked for. */
export function checkTxn(request: TxnRequest): void {
  checkShape(request, limits.transactionOperations);
  collectWrites(request.success);
  collectWrites(request.failure);
}

function checkShape(request: TxnRequest, allowed: number): void {
  const operations = Math.max(request.compare.length, request.success.length, request.failure.length);
  if (operations > allowed) throw failure('tooManyOperations');
  for (const compare of request.compare) {
    if (compare.key.length === 0) throw failure('emptyKey');
  }
  for (const operation of request.success) checkOperation(operation, allowed - operations);
  for (const operation of request.failure) checkOperation(operation, allowed - operations);
}

function checkOperation(operation: RequestOp, allowed: number): void {
  const request = operation.request;
  if (request?.$case === 'requestRange') checkRange(request.value);
  else if (request?.$case === 'requestPut') checkPut(request.value);
  else if (request?.$case === 'requestDeleteRange') checkDeleteRange(request.value);
  else if (request?.$case === 'requestTxn') checkShape(request.value, allowed);
  else throw failure('keyNotFound');
}

/** What one branch writes. Keys as binary strings, so that a Map compares them by content. */
interface Writes {
  readonly puts: Set<string>;
  readonly deletes: DeleteRangeRequest[];
}

/** A key is put at most once, and never put and deleted, in one transaction; exclusive branches may agree. */
function collectWrites(operations: readonly RequestOp[]): Writes {
  const writes: Writes = { puts: new Set(), deletes: [] };
  for (const { request } of operations) {
    if (request?.$case === 'requestDeleteRange') writes.deletes.push(request.value);
  }
  for (const { request } of operations) {
    if (request?.$case === 'requestTxn') addNested(writes, request.value);
  }
  for (const { request } of operations) {
    if (request?.$case === 'requestPut') addPut(writes, request.value.key);
  }
  return writes;
}

function addNested(writes: Writes, request: TxnRequest): void {
  const success = collectWrites(request.success);
  const failed = collectWrites(request.failure);
  for (const key of new Set([...success.puts, ...failed.puts])) addPut(writes, Buffer.from(key, 'latin1'));
  writes.deletes.push(...success.deletes, ...failed.deletes);
}

function addPut(writes: Writes, key: Uint8Array): void {
  const name = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
  if (writes.puts.has(name)) throw failure('duplicateKey');
  if (writes.deletes.some((range) => covers(range, key))) throw failure('duplicateKey');
  writes.puts.add(name);
}

function covers(range: DeleteRangeRequest, key: Uint8Array): boolean {
  const end = range.rangeEnd;
  if (end.length === 0) return compareBytes(range.key, key) === 0;
  if (compareBytes(key, range.key) < 0) return false;
  return (end.length === 1 && end[0] === 0) || compareBytes(key, end) < 0;
}
