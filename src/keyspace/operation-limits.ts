/** The two checks that etcd makes on a transaction before it is proposed, with etcd's exact rules. */
import { compareBytes, equalBytes } from './bytes.ts';
import type { DeleteRangeRequest, Operation, TxnRequest } from './types.ts';

/**
 * What etcd holds against `--max-txn-ops`: the longest of the three lists, plus the same of the nested transaction
 * for which it is largest.
 */
export function countOperations(request: TxnRequest): number {
  let nested = 0;
  for (const operation of [...request.success, ...request.failure]) {
    if (operation.type === 'txn') nested = Math.max(nested, countOperations(operation.request));
  }
  return Math.max(request.compare.length, request.success.length, request.failure.length) + nested;
}

interface Writes {
  readonly puts: Map<string, Uint8Array>;
  readonly deletes: DeleteRangeRequest[];
}

const duplicate = 'duplicate';

/** A map key for bytes. */
function text(key: Uint8Array): string {
  let result = '';
  for (const byte of key) result += String.fromCharCode(byte);
  return result;
}

/** As etcd: an end of one zero byte is here an end like any other, so such a delete overlaps nothing. */
function deletesKey(request: DeleteRangeRequest, key: Uint8Array): boolean {
  if (request.rangeEnd.length === 0) return equalBytes(request.key, key);
  return compareBytes(request.key, key) <= 0 && compareBytes(key, request.rangeEnd) < 0;
}

function collect(operations: readonly Operation[]): Writes | typeof duplicate {
  const puts = new Map<string, Uint8Array>();
  const deletes: DeleteRangeRequest[] = [];
  for (const operation of operations) if (operation.type === 'deleteRange') deletes.push(operation.request);
  const isDeleted = (key: Uint8Array): boolean => deletes.some((request) => deletesKey(request, key));

  for (const operation of operations) {
    if (operation.type !== 'txn') continue;
    const success = collect(operation.request.success);
    if (success === duplicate) return duplicate;
    const failure = collect(operation.request.failure);
    if (failure === duplicate) return duplicate;
    for (const [name, key] of success.puts) {
      if (puts.has(name) || isDeleted(key)) return duplicate;
    }
    for (const [name, key] of failure.puts) {
      // Only one branch runs, so both may put the same key.
      if (puts.has(name) || isDeleted(key)) return duplicate;
    }
    for (const [name, key] of [...success.puts, ...failure.puts]) puts.set(name, key);
    deletes.push(...success.deletes, ...failure.deletes);
  }

  for (const operation of operations) {
    if (operation.type !== 'put') continue;
    const name = text(operation.request.key);
    if (puts.has(name) || isDeleted(operation.request.key)) return duplicate;
    puts.set(name, operation.request.key);
  }
  return { puts, deletes };
}

/**
 * Whether one branch puts a key twice, or puts and deletes it, nested transactions included. etcd looks at deletes
 * of the same level and of the nested transactions before, and so does this.
 */
export function txnHasDuplicateKeys(request: TxnRequest): boolean {
  return collect(request.success) === duplicate || collect(request.failure) === duplicate;
}
