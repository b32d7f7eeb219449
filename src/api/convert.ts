import type * as keyspace from '../keyspace/types.ts';
import type * as wire from '../wire/index.ts';
import { failure } from './status.ts';

const sortOrders: readonly keyspace.SortOrder[] = ['none', 'ascend', 'descend'];
const sortTargets: readonly keyspace.SortTarget[] = ['key', 'version', 'create', 'mod', 'value'];
const compareResults = ['equal', 'greater', 'less', 'not-equal'] as const;

/** As etcd reads it: an order that it does not know looks at all of the range, as any order does, and sorts nothing. */
export function rangeRequest(request: wire.RangeRequest): keyspace.RangeRequest {
  const sortOrder = sortOrders[request.sortOrder];
  return {
    key: request.key,
    rangeEnd: request.rangeEnd,
    limit: request.limit,
    revision: request.revision,
    sortOrder: sortOrder ?? 'ascend',
    sortTarget: sortOrder === undefined ? 'key' : (sortTargets[request.sortTarget] ?? 'key'),
    keysOnly: request.keysOnly,
    countOnly: request.countOnly,
    minModRevision: request.minModRevision,
    maxModRevision: request.maxModRevision,
    minCreateRevision: request.minCreateRevision,
    maxCreateRevision: request.maxCreateRevision,
  };
}

export function rangeResponse(
  result: keyspace.RangeResult,
  header: wire.ResponseHeader | undefined,
): wire.RangeResponse {
  return { header, kvs: result.kvs as wire.KeyValue[], more: result.more, count: result.count };
}

export function txnRequest(request: wire.TxnRequest): keyspace.TxnRequest {
  return {
    compare: request.compare.map(compare),
    success: request.success.map(operation),
    failure: request.failure.map(operation),
  };
}

function operation(wireOperation: wire.RequestOp): keyspace.Operation {
  const request = wireOperation.request;
  switch (request?.$case) {
    case 'requestRange':
      return { type: 'range', request: rangeRequest(request.value) };
    case 'requestPut':
      return { type: 'put', request: request.value };
    case 'requestDeleteRange':
      return { type: 'deleteRange', request: request.value };
    case 'requestTxn':
      return { type: 'txn', request: txnRequest(request.value) };
    default:
      throw failure('keyNotFound');
  }
}

/**
 * etcd goes by `target`; a union of another case, or none, counts as that target's zero value. A target that it does
 * not know counts as equal, and a result that it does not know as reached: said here with versions, which are never
 * below 0, and 0 where there is no key.
 */
function compare(request: wire.Compare): keyspace.Compare {
  const { key, rangeEnd } = request;
  const result = compareResults[request.result];
  if (request.target < 0 || request.target > 4) {
    const holds = result === undefined || result === 'equal';
    return { key, rangeEnd, result: holds ? 'greater' : 'less', target: { kind: 'version', revision: -1 } };
  }
  if (result === undefined) {
    const needsKey = request.target === 3;
    return { key, rangeEnd, result: 'greater', target: { kind: 'version', revision: needsKey ? 0 : -1 } };
  }
  return { key, rangeEnd, result, target: compareTarget(request) };
}

const noBytes = new Uint8Array(0);

function compareTarget(request: wire.Compare): keyspace.Compare['target'] {
  const union = request.targetUnion;
  switch (request.target) {
    case 1:
      return { kind: 'create', revision: union?.$case === 'createRevision' ? union.value : 0 };
    case 2:
      return { kind: 'mod', revision: union?.$case === 'modRevision' ? union.value : 0 };
    case 3:
      return { kind: 'value', value: union?.$case === 'value' ? union.value : noBytes };
    case 4:
      return { kind: 'lease', lease: union?.$case === 'lease' ? union.value : 0n };
    default:
      return { kind: 'version', revision: union?.$case === 'version' ? union.value : 0 };
  }
}

export function deleteRangeResponse(
  result: keyspace.DeleteRangeResult,
  header: wire.ResponseHeader | undefined,
): wire.DeleteRangeResponse {
  return { header, deleted: result.deleted, prevKvs: result.prevKvs as wire.KeyValue[] };
}

/** Responses inside a transaction carry a header with a revision only, as etcd's do. */
export function txnResponse(result: keyspace.TxnResult, header: wire.ResponseHeader): wire.TxnResponse {
  const writes = result.responses.some(wrote);
  const before = writes ? header.revision - 1 : header.revision;
  const progress = { revision: before, after: header.revision };
  return {
    header,
    succeeded: result.succeeded,
    responses: result.responses.map((response) => responseOperation(response, progress)),
  };
}

function wrote(response: keyspace.OperationResult): boolean {
  switch (response.type) {
    case 'put':
      return true;
    case 'deleteRange':
      return response.result.deleted > 0;
    case 'txn':
      return response.result.responses.some(wrote);
    default:
      return false;
  }
}

/** The revision that an operation saw: the one before the transaction until its first write, then its own. */
interface Progress {
  revision: number;
  readonly after: number;
}

function responseOperation(response: keyspace.OperationResult, progress: Progress): wire.ResponseOp {
  if (response.type !== 'txn' && wrote(response)) progress.revision = progress.after;
  const header = nestedHeader(progress.revision);
  switch (response.type) {
    case 'range':
      return { response: { $case: 'responseRange', value: rangeResponse(response.result, header) } };
    case 'put':
      return { response: { $case: 'responsePut', value: { header, prevKv: response.result.prevKv } } };
    case 'deleteRange':
      return {
        response: { $case: 'responseDeleteRange', value: deleteRangeResponse(response.result, header) },
      };
    case 'txn': {
      const responses = response.result.responses.map((inner) => responseOperation(inner, progress));
      const value = { header: nestedHeader(0), succeeded: response.result.succeeded, responses };
      return { response: { $case: 'responseTxn', value } };
    }
  }
}

function nestedHeader(revision: number): wire.ResponseHeader {
  return { clusterId: 0n, memberId: 0n, revision, raftTerm: 0 };
}

export function watchEvent(event: keyspace.WatchEvent): wire.Event {
  return { type: event.type === 'put' ? 0 : 1, kv: event.kv, prevKv: event.prevKv };
}

/** The smallest key above every key that begins with `prefix`; [0], which means "to the end", where there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let at = prefix.length - 1; at >= 0; at--) {
    const byte = prefix[at] as number;
    if (byte === 0xff) continue;
    const end = prefix.slice(0, at + 1);
    end[at] = byte + 1;
    return end;
  }
  return new Uint8Array([0]);
}

/** Byte order, as etcd sorts keys. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at++) {
    const difference = (a[at] as number) - (b[at] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
