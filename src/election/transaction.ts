/** Transactions on a store's own keys, as `leadership.txn()` takes them: the same for every store that has such keys. */
import { ConclaveError } from '../errors/index.ts';
import { checkNames, shown } from '../errors/option-names.ts';

/** Text is taken as UTF-8. Not empty. */
export type StoreKey = string | Uint8Array;

/**
 * What must hold of one key. A key that is not there has version, createRevision and modRevision 0; a compare of its
 * value never holds.
 */
export type StoreCompare =
  | { readonly key: StoreKey; readonly target: 'exists'; readonly value: boolean }
  | {
      readonly key: StoreKey;
      /** How often it was written since it was created; the revisions of its creation and of its last write. */
      readonly target: 'version' | 'createRevision' | 'modRevision';
      /** Default '='. The key's is on the left: '>' asks for one that is greater than `value`. */
      readonly result?: StoreCompareResult | undefined;
      readonly value: number;
    }
  | {
      readonly key: StoreKey;
      readonly target: 'value';
      /** Default '='. The order is that of bytes. */
      readonly result?: StoreCompareResult | undefined;
      readonly value: string | Uint8Array;
    };

export type StoreCompareResult = '=' | '!=' | '<' | '>';

export type StoreOperation =
  | { readonly type: 'get'; readonly key: StoreKey }
  /** In the order of keys. `limit`: at most so many; default all. */
  | { readonly type: 'get'; readonly prefix: StoreKey; readonly limit?: number | undefined }
  | { readonly type: 'put'; readonly key: StoreKey; readonly value: string | Uint8Array }
  | { readonly type: 'delete'; readonly key: StoreKey }
  | { readonly type: 'delete'; readonly prefix: StoreKey };

export interface StoreTransaction {
  /** All must hold for `success`; default none, which always holds. */
  readonly compare?: readonly StoreCompare[] | undefined;
  /** Carried out in this order, where all compares hold. A key may be written once, and not be deleted beside. */
  readonly success?: readonly StoreOperation[] | undefined;
  /** Carried out instead, where one does not. */
  readonly failure?: readonly StoreOperation[] | undefined;
}

export interface StoreEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: number;
  readonly createRevision: number;
  readonly modRevision: number;
}

export type StoreOperationResult =
  /** `more`: the limit left some out. */
  | { readonly type: 'get'; readonly entries: readonly StoreEntry[]; readonly more: boolean }
  | { readonly type: 'put' }
  | { readonly type: 'delete'; readonly deleted: number };

export interface StoreTransactionResult {
  /** Whether all compares held. */
  readonly succeeded: boolean;
  /** The store's revision after it: that of what it wrote, where it wrote. */
  readonly revision: number;
  /** One for each operation of the branch that was carried out, in its order. */
  readonly results: readonly StoreOperationResult[];
}

/** @throws 'invalid-argument' for what no store could carry out. */
export function checkTransaction(transaction: StoreTransaction): void {
  if (typeof transaction !== 'object' || transaction === null) {
    throw invalid('A transaction is an object, like { success: [{ type: "put", key, value }] }.');
  }
  checkNames('A transaction', transaction, ['compare', 'success', 'failure']);
  const { compare = [], success = [], failure = [] } = transaction;
  for (const list of [compare, success, failure]) {
    if (!Array.isArray(list)) throw invalid('compare, success and failure of a transaction must be arrays.');
  }
  for (const one of compare) checkCompare(one);
  for (const operations of [success, failure]) checkOperations(operations);
}

function checkCompare(compare: StoreCompare): void {
  checkNames('A compare', compare, ['key', 'target', 'result', 'value']);
  checkBytes('The key of a compare', compare?.key, true);
  const { target, value } = compare;
  if (target === 'exists') {
    if (typeof value === 'boolean') return;
    throw invalid(`A compare of 'exists' takes true or false, not ${shown(value)}.`);
  }
  const { result = '=' } = compare;
  if (!['=', '!=', '<', '>'].includes(result)) {
    throw invalid(`The result of a compare must be '=', '!=', '<' or '>', not ${JSON.stringify(result)}.`);
  }
  if (target === 'value') return checkBytes('The value of a compare', value, false);
  if (!['version', 'createRevision', 'modRevision'].includes(target)) {
    throw invalid(
      `The target of a compare must be 'exists', 'version', 'createRevision', 'modRevision' or 'value', not ${JSON.stringify(target)}.`,
    );
  }
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalid(`A compare of '${target}' takes a whole number of at least 0, not ${shown(value)}.`);
  }
}

function checkOperations(operations: readonly StoreOperation[]): void {
  for (const operation of operations) checkOperation(operation);
  const written = new Set<string>();
  for (const operation of operations) {
    if (operation.type !== 'put') continue;
    const key = hex(operation.key);
    if (written.has(key)) throw invalid('A transaction writes one key twice.');
    written.add(key);
  }
  for (const operation of operations) {
    if (operation.type !== 'delete') continue;
    const isPrefix = 'prefix' in operation;
    const from = hex(isPrefix ? operation.prefix : operation.key);
    if ([...written].some((key) => (isPrefix ? key.startsWith(from) : key === from)))
      throw invalid('A transaction writes and deletes one key: split it in two, or leave the deletion out.');
  }
}

function hex(key: StoreKey): string {
  return Array.from(keyBytes(key), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const operationNames = {
  get: ['type', 'key', 'prefix', 'limit'],
  put: ['type', 'key', 'value'],
  delete: ['type', 'key', 'prefix'],
} as const;

function checkOperation(operation: StoreOperation): void {
  const type: unknown = operation?.type;
  if (type !== 'get' && type !== 'put' && type !== 'delete') {
    throw invalid(`The type of an operation must be 'get', 'put' or 'delete', not ${JSON.stringify(type)}.`);
  }
  checkNames(`An operation of type '${type}'`, operation, operationNames[type]);
  if (operation.type === 'put') {
    checkBytes('The key to put', operation.key, true);
    return checkBytes('The value to put', operation.value, false);
  }
  if ('key' in operation && 'prefix' in operation)
    throw invalid(`A ${type} takes a key or a prefix, not both.`);
  if ('key' in operation) return checkBytes(`The key to ${type}`, operation.key, true);
  checkBytes(`The prefix to ${type}`, operation.prefix, true);
  if (operation.type !== 'get' || operation.limit === undefined) return;
  if (!Number.isSafeInteger(operation.limit) || operation.limit < 1) {
    throw invalid(`The limit of a get must be a whole number of at least 1, not ${shown(operation.limit)}.`);
  }
}

function checkBytes(what: string, value: unknown, isKey: boolean): void {
  if (typeof value === 'string' ? /\p{Surrogate}/u.test(value) : !(value instanceof Uint8Array)) {
    throw invalid(`${what} must be well-formed text or bytes (a Uint8Array).`);
  }
  if (isKey && (value as StoreKey).length === 0) throw invalid(`${what} is empty.`);
}

/** Bytes as they are, text as UTF-8. */
export function keyBytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? new TextEncoder().encode(value) : value;
}

function invalid(message: string): ConclaveError {
  return new ConclaveError('invalid-argument', message);
}
