/** Whether a command may be applied for its author: the keys of all its operations, and of the leases it ends. */

import { emptyBytes } from '../bytes.ts';
import type { LeaseTable } from '../leases.ts';
import type { Store } from '../store.ts';
import type { Command, DeleteRangeRequest, Operation, PutRequest, TxnRequest } from '../types.ts';
import type { AuthState } from './auth-state.ts';
import type { Grants } from './grants.ts';
import type { AuthFailure, CommandAuthor } from './types.ts';

export interface Guarded {
  readonly auth: AuthState;
  readonly leases: LeaseTable;
  readonly store: Store;
}

/**
 * The failure, if any. To be called only while auth is enabled. Commands that a member makes for itself have no author
 * and are of kinds that nobody is asked for here.
 */
export function checkCommand(
  state: Guarded,
  command: Command,
  author: CommandAuthor | undefined,
): AuthFailure | undefined {
  switch (command.type) {
    case 'put':
    case 'deleteRange':
    case 'txn':
    case 'txnSequence':
    case 'leaseRevoke':
    case 'attach': {
      const grants = state.auth.grantsOf(author);
      if (typeof grants === 'string') return grants;
      const permitted = grants === undefined || grants.isRoot || mayApply(state, grants, command);
      return permitted ? undefined : 'permission-denied';
    }
    case 'auth':
      return state.auth.checkAdmin(author);
    default:
      return undefined;
  }
}

type Checked = Extract<
  Command,
  { type: 'put' | 'deleteRange' | 'txn' | 'txnSequence' | 'leaseRevoke' | 'attach' }
>;

function mayApply(state: Guarded, grants: Grants, command: Checked): boolean {
  switch (command.type) {
    case 'put':
      return mayPut(state, grants, command.request);
    case 'deleteRange':
      return mayDelete(grants, command.request);
    case 'txn':
      return mayTxn(state, grants, command.request);
    case 'txnSequence':
      return command.requests.every((request) => mayTxn(state, grants, request));
    case 'leaseRevoke':
      return mayEndLease(state, grants, command.lease);
    case 'attach':
      // Whoever binds a lease to a connection ends it with the connection.
      return mayEndLease(state, grants, command.lease);
  }
}

function mayPut(state: Guarded, grants: Grants, request: PutRequest): boolean {
  return (
    grants.may('write', request.key, emptyBytes) &&
    (!request.prevKv || grants.may('read', request.key, emptyBytes)) &&
    (request.lease === 0n || mayEndLease(state, grants, request.lease))
  );
}

function mayDelete(grants: Grants, { key, rangeEnd, prevKv }: DeleteRangeRequest): boolean {
  return grants.may('write', key, rangeEnd) && (!prevKv || grants.may('read', key, rangeEnd));
}

/** Both branches, whichever will run: the outcome of a compare must not tell what may not be read. */
function mayTxn(state: Guarded, grants: Grants, request: TxnRequest): boolean {
  const mayOperate = (operation: Operation): boolean => {
    switch (operation.type) {
      case 'range':
        return grants.may('read', operation.request.key, operation.request.rangeEnd);
      case 'put':
        return mayPut(state, grants, operation.request);
      case 'deleteRange':
        return mayDelete(grants, operation.request);
      case 'txn':
        return mayTxn(state, grants, operation.request);
    }
  };
  return (
    request.compare.every(({ key, rangeEnd }) => grants.may('read', key, rangeEnd)) &&
    request.success.every(mayOperate) &&
    request.failure.every(mayOperate)
  );
}

/** A lease ends with its keys, so whoever ends it, or hangs a key on it, must be allowed to write all of them. */
function mayEndLease({ leases, store }: Guarded, grants: Grants, id: bigint): boolean {
  const lease = leases.get(id);
  if (lease === undefined) return true;
  return leases.keyRows(lease).every((row) => grants.may('write', store.keys.view(row), emptyBytes));
}
