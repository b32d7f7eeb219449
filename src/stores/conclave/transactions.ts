import type { Compare, KeyValue, RangeRequest, RequestOp, ResponseOp, TxnRequest } from '../../wire/index.ts';
import { Compare_CompareResult, Compare_CompareTarget, type DeepPartial } from '../../wire/index.ts';

/** Short ways to write the parts of a transaction. */
export type Part<T> = DeepPartial<T>;
export type Transaction = Part<TxnRequest>;

/** With `rangeEnd`: every key of the range; an empty range counts as one key that was never created. */
export function createdAt(key: Uint8Array, revision: number): Part<Compare> {
  return {
    key,
    result: Compare_CompareResult.EQUAL,
    target: Compare_CompareTarget.CREATE,
    targetUnion: { $case: 'createRevision', value: revision },
  };
}

export function modifiedAt(key: Uint8Array, revision: number): Part<Compare> {
  return {
    key,
    result: Compare_CompareResult.EQUAL,
    target: Compare_CompareTarget.MOD,
    targetUnion: { $case: 'modRevision', value: revision },
  };
}

export function absent(key: Uint8Array, rangeEnd?: Uint8Array): Part<Compare> {
  return { ...createdAt(key, 0), rangeEnd };
}

/** No key of the range was created before `revision`. */
export function noneCreatedBefore(key: Uint8Array, rangeEnd: Uint8Array, revision: number): Part<Compare> {
  return {
    key,
    rangeEnd,
    result: Compare_CompareResult.GREATER,
    target: Compare_CompareTarget.CREATE,
    targetUnion: { $case: 'createRevision', value: revision - 1 },
  };
}

export function put(key: Uint8Array, value: Uint8Array, lease = 0n): Part<RequestOp> {
  return { request: { $case: 'requestPut', value: { key, value, lease } } };
}

export function remove(key: Uint8Array): Part<RequestOp> {
  return { request: { $case: 'requestDeleteRange', value: { key } } };
}

export function range(request: Part<RangeRequest>): Part<RequestOp> {
  return { request: { $case: 'requestRange', value: request } };
}

export function nested(request: Part<TxnRequest>): Part<RequestOp> {
  return { request: { $case: 'requestTxn', value: request } };
}

export function rangeResult(response: ResponseOp | undefined): {
  readonly kvs: readonly KeyValue[];
  readonly count: number;
} {
  const answer = response?.response;
  return answer?.$case === 'responseRange' ? answer.value : { kvs: [], count: 0 };
}
