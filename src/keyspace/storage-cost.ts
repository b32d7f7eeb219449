/** What a command may add to the storage, as etcd reckons it against its quota. */
import type { Command, Operation, PutRequest, TxnRequest } from './types.ts';

/** Bytes that etcd reckons for a key besides itself, and for a lease. */
const keyBytes = 256;
const leaseBytes = 64;

/** Bytes; 0 for what adds nothing. Of a transaction's branches the dearer one counts. */
export function storageCost(command: Command): number {
  switch (command.type) {
    case 'put':
      return costOfPut(command.request);
    case 'txn':
      return costOfTxn(command.request);
    case 'txnSequence':
      return command.requests.reduce((sum, request) => sum + costOfTxn(request), 0);
    case 'leaseGrant':
      return leaseBytes;
    default:
      return 0;
  }
}

function costOfPut({ key, value }: PutRequest): number {
  return keyBytes + key.length + value.length;
}

function costOfTxn({ success, failure }: TxnRequest): number {
  return Math.max(costOfAll(success), costOfAll(failure));
}

function costOfAll(operations: readonly Operation[]): number {
  let sum = 0;
  for (const operation of operations) {
    if (operation.type === 'put') sum += costOfPut(operation.request);
    else if (operation.type === 'txn') sum += costOfTxn(operation.request);
  }
  return sum;
}
