import { countOperations, txnHasDuplicateKeys } from '../keyspace/index.ts';
import type * as keyspace from '../keyspace/types.ts';
import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from '../wire/index.ts';
import { txnRequest } from './convert.ts';
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

/** The transaction as the keyspace takes it, if it is one that etcd would take. @throws StatusError */
export function checkedTxn(request: TxnRequest): keyspace.TxnRequest {
  checkKeys(request);
  const txn = txnRequest(request);
  if (countOperations(txn) > limits.transactionOperations) throw failure('tooManyOperations');
  if (txnHasDuplicateKeys(txn)) throw failure('duplicateKey');
  return txn;
}

function checkKeys(request: TxnRequest): void {
  for (const compare of request.compare) {
    if (compare.key.length === 0) throw failure('emptyKey');
  }
  for (const operation of request.success) checkOperation(operation);
  for (const operation of request.failure) checkOperation(operation);
}

function checkOperation({ request }: RequestOp): void {
  if (request?.$case === 'requestRange') checkRange(request.value);
  else if (request?.$case === 'requestPut') checkPut(request.value);
  else if (request?.$case === 'requestDeleteRange') checkDeleteRange(request.value);
  else if (request?.$case === 'requestTxn') checkKeys(request.value);
  else throw failure('keyNotFound');
}
