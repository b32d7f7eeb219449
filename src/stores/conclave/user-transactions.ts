/** Transactions on the user's keys, carried out only while a token is current. */
import type { CallOptions, ConclaveClient } from '../../client/index.ts';
import { bytesKey, prefixEnd, toBytes } from '../../client/index.ts';
import type {
  StoreCompare,
  StoreCompareResult,
  StoreKey,
  StoreOperation,
  StoreOperationResult,
  StoreTransaction,
  StoreTransactionResult,
} from '../../election/store.ts';
import { checkTransaction } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
} from '../../wire/index.ts';
import { type ElectionKeys, startsWith } from './keys.ts';
import { guardedTransaction, type Own } from './requests.ts';
import { nested, type Part, put, range } from './transactions.ts';

/** undefined: the token is not current. @throws 'invalid-argument' for one that is malformed or touches elections. */
export async function transactGuarded(
  client: Pick<ConclaveClient, 'txn'>,
  namespace: string,
  on: { readonly keys: ElectionKeys; readonly own: Own },
  transaction: StoreTransaction,
  call: CallOptions,
): Promise<StoreTransactionResult | undefined> {
  const inner = userTransaction(namespace, transaction);
  const response = await client.txn(guardedTransaction(on.keys, on.own, [nested(inner)]), call);
  if (!response.succeeded) return undefined;
  const answer = response.responses[0]?.response;
  if (answer?.$case !== 'responseTxn') {
    const message = 'The store answered a nested transaction with something else.';
    throw new ConclaveError('internal', message, { outcome: 'unknown' });
  }
  const { succeeded, responses } = answer.value;
  return { succeeded, revision: response.header?.revision ?? 0, results: responses.map(resultOf) };
}

/** As the store's API takes it. @throws 'invalid-argument'. */
export function userTransaction(namespace: string, transaction: StoreTransaction): Part<TxnRequest> {
  checkTransaction(transaction);
  const own = toBytes(`${namespace}/`);
  const { compare = [], success = [], failure = [] } = transaction;
  return {
    compare: compare.map((one) => compareOf(one, own)),
    success: success.map((one) => operationOf(one, own)),
    failure: failure.map((one) => operationOf(one, own)),
  };
}

const results = {
  '=': Compare_CompareResult.EQUAL,
  '!=': Compare_CompareResult.NOT_EQUAL,
  '<': Compare_CompareResult.LESS,
  '>': Compare_CompareResult.GREATER,
} as const satisfies Record<StoreCompareResult, Compare_CompareResult>;

function compareOf(compare: StoreCompare, own: Uint8Array): Part<Compare> {
  const key = userKey(compare.key, own);
  if (compare.target === 'exists') {
    return {
      key,
      result: compare.value ? Compare_CompareResult.NOT_EQUAL : Compare_CompareResult.EQUAL,
      target: Compare_CompareTarget.CREATE,
      targetUnion: { $case: 'createRevision', value: 0 },
    };
  }
  const result = results[compare.result ?? '='];
  switch (compare.target) {
    case 'version': {
      const targetUnion = { $case: 'version', value: compare.value } as const;
      return { key, result, target: Compare_CompareTarget.VERSION, targetUnion };
    }
    case 'createRevision': {
      const targetUnion = { $case: 'createRevision', value: compare.value } as const;
      return { key, result, target: Compare_CompareTarget.CREATE, targetUnion };
    }
    case 'modRevision': {
      const targetUnion = { $case: 'modRevision', value: compare.value } as const;
      return { key, result, target: Compare_CompareTarget.MOD, targetUnion };
    }
    case 'value': {
      const targetUnion = { $case: 'value', value: toBytes(compare.value) } as const;
      return { key, result, target: Compare_CompareTarget.VALUE, targetUnion };
    }
  }
}

function operationOf(operation: StoreOperation, own: Uint8Array): Part<RequestOp> {
  if (operation.type === 'put') return put(userKey(operation.key, own), toBytes(operation.value));
  const keys = 'key' in operation ? { key: userKey(operation.key, own) } : userRange(operation.prefix, own);
  if (operation.type === 'delete') return { request: { $case: 'requestDeleteRange', value: keys } };
  return range({ ...keys, limit: 'limit' in operation ? (operation.limit ?? 0) : 0 });
}

function resultOf({ response }: ResponseOp): StoreOperationResult {
  switch (response?.$case) {
    case 'responseRange': {
      const entries = response.value.kvs.map(({ key, value, version, createRevision, modRevision }) => ({
        key: key.slice(),
        value: value.slice(),
        version,
        createRevision,
        modRevision,
      }));
      return { type: 'get', entries, more: response.value.more };
    }
    case 'responseDeleteRange':
      return { type: 'delete', deleted: response.value.deleted };
    default:
      return { type: 'put' };
  }
}

/** The elections' own keys are moved by elections only. */
function userKey(key: StoreKey, own: Uint8Array): Uint8Array {
  const bytes = toBytes(key);
  if (startsWith(bytes, own)) throw reserved('The key', bytes, own);
  return bytes;
}

function userRange(prefix: StoreKey, own: Uint8Array): { key: Uint8Array; rangeEnd: Uint8Array } {
  const bytes = toBytes(prefix);
  if (startsWith(bytes, own) || startsWith(own, bytes)) throw reserved('The prefix', bytes, own);
  return { key: bytes, rangeEnd: prefixEnd(bytes) };
}

function reserved(what: string, bytes: Uint8Array, own: Uint8Array): ConclaveError {
  const message = `${what} ${JSON.stringify(bytesKey(bytes))} reaches into ${JSON.stringify(bytesKey(own))}, where the store keeps its elections: use other keys.`;
  return new ConclaveError('invalid-argument', message);
}
