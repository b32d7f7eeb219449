import { ConclaveError } from '../errors/index.ts';
import { shown } from '../errors/option-names.ts';
import { countOperations, txnHasDuplicateKeys } from '../keyspace/index.ts';
import type * as keyspace from '../keyspace/types.ts';
import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from '../wire/index.ts';
import { txnRequest } from './convert.ts';
import { failure } from './status.ts';

export interface ApiLimits {
  /** Operations in one branch of a transaction, nested ones included. Default 128, as etcd's. */
  readonly transactionOperations: number;
  /** One request that goes through the log. Default 1.5 MiB, as etcd's. */
  readonly requestBytes: number;
}

/** Of any request, above what one that goes through the log may have. */
const overheadBytes = 512 * 1024;

/** etcd's longest, seconds. */
export const longestTtlSeconds = 9_000_000_000;

export interface CheckedLimits extends ApiLimits {
  /** Any request. */
  readonly receivedBytes: number;
}

/** @throws ConclaveError 'invalid-argument' */
export function checkLimits(given: Partial<ApiLimits> = {}): CheckedLimits {
  const { transactionOperations = 128, requestBytes = 1.5 * 1024 * 1024 } = given;
  // A frame between members carries 32 MiB, and a transaction's results must fit into one too.
  checkWhole('limits.requestBytes', requestBytes, 1, 16 * 1024 * 1024);
  checkWhole('limits.transactionOperations', transactionOperations, 1, 2 ** 31);
  return { transactionOperations, requestBytes, receivedBytes: requestBytes + overheadBytes };
}

function checkWhole(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  const message = `${what} is ${shown(value)}; it must be a whole number from ${least} to ${most}.`;
  throw new ConclaveError('invalid-argument', message);
}

export const standardLimits = checkLimits();

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
export function checkedTxn(request: TxnRequest, limits: ApiLimits): keyspace.TxnRequest {
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
