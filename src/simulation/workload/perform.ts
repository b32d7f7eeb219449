import type { CallOptions, ConclaveClient } from '../../client/index.ts';
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  type DeepPartial,
  type Event,
  Event_EventType,
  type KeyValue,
  type RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type RangeResponse,
  type RequestOp,
  type ResponseHeader,
  type ResponseOp,
  type TxnRequest,
} from '../../wire/index.ts';
import type {
  Answer,
  Call,
  Guard,
  Pair,
  RangeStep,
  SeenEvent,
  Step,
  StepAnswer,
  TransactionStep,
} from './history.ts';
import { bytesOf, pairOf, textOf } from './model-values.ts';

/** Does what `call` says with a real client, and puts its answer as the history has it. @throws as the client */
export async function perform(client: ConclaveClient, call: Call, options: CallOptions): Promise<Answer> {
  switch (call.type) {
    case 'range': {
      const request = { ...rangeOf(call), serializable: call.serializable };
      const { header, kvs, count, more } = await client.range(request, options);
      return { type: 'range', pairs: kvs.map(pairOf), count, more, ...from(header) };
    }
    case 'put': {
      const { lease, prevKv } = call;
      const answer = await client.put(bytesOf(call.key), bytesOf(call.value), { ...options, lease, prevKv });
      return { type: 'put', previous: pairOrNone(answer.prevKv), ...from(answer.header) };
    }
    case 'delete': {
      const { prevKv } = call;
      const rangeEnd = bytesOf(call.end);
      const answer = await client.deleteRange(bytesOf(call.key), { ...options, rangeEnd, prevKv });
      const previous = answer.prevKvs.map(pairOf);
      return { type: 'delete', deleted: answer.deleted, previous, ...from(answer.header) };
    }
    case 'txn': {
      const { header, succeeded, responses } = await client.txn(transactionOf(call), options);
      return { type: 'txn', succeeded, responses: responses.map(answerOf), ...from(header) };
    }
    default:
      return await performOther(client, call, options);
  }
}

function from(header: ResponseHeader | undefined): { readonly revision: number; readonly by: number } {
  return { revision: header?.revision ?? 0, by: Number(header?.memberId ?? 0n) };
}

async function performOther(
  client: ConclaveClient,
  call: Exclude<Call, Step>,
  options: CallOptions,
): Promise<Answer> {
  if (call.type === 'grant') {
    const { ttlMs } = await client.leaseGrant(call.ttlMs, { ...options, lease: call.lease });
    return { type: 'grant', ttlMs, revision: 0 };
  }
  if (call.type === 'renew') {
    return { type: 'renew', ttlMs: await client.renewLease(call.lease, options), revision: 0 };
  }
  if (call.type === 'timeToLive') {
    const found = await client.leaseRemaining(call.lease, { ...options, keys: true });
    const { remainingMs, grantedTtlMs = 0, keys = [] } = found ?? {};
    return { type: 'timeToLive', remainingMs, grantedTtlMs, keys: keys.map(textOf), revision: 0 };
  }
  if (call.type === 'compact') await client.compact(call.revision, options);
  else await client.leaseRevoke(call.lease, options);
  return { type: call.type === 'compact' ? 'compact' : 'revoke', revision: 0 };
}

export function eventOf({ type, kv, prevKv }: Event): SeenEvent {
  if (kv === undefined) throw new Error('A watch event without a key.');
  return { pair: pairOf(kv), deleted: type === Event_EventType.DELETE, previous: pairOrNone(prevKv) };
}

function pairOrNone(kv: KeyValue | undefined): Pair | undefined {
  return kv === undefined ? undefined : pairOf(kv);
}

function compareOf({ key, expects, mod }: Guard): DeepPartial<Compare> {
  const common = { key: bytesOf(key), result: Compare_CompareResult.EQUAL };
  if (expects === undefined) {
    const targetUnion = { $case: 'createRevision', value: 0 } as const;
    return { ...common, target: Compare_CompareTarget.CREATE, targetUnion };
  }
  if (mod > 0) {
    return {
      ...common,
      target: Compare_CompareTarget.MOD,
      targetUnion: { $case: 'modRevision', value: mod },
    };
  }
  const targetUnion = { $case: 'value', value: bytesOf(expects) } as const;
  return { ...common, target: Compare_CompareTarget.VALUE, targetUnion };
}

function rangeOf({ key, end, shape }: RangeStep): DeepPartial<RangeRequest> {
  const range = { key: bytesOf(key), rangeEnd: bytesOf(end) };
  if (shape === undefined) return range;
  const sortOrder = sortOrders[shape.sortOrder];
  return { ...range, ...shape, sortOrder, sortTarget: sortTargets[shape.sortTarget] };
}

const sortOrders = {
  none: RangeRequest_SortOrder.NONE,
  ascend: RangeRequest_SortOrder.ASCEND,
  descend: RangeRequest_SortOrder.DESCEND,
} as const;
const sortTargets = {
  key: RangeRequest_SortTarget.KEY,
  version: RangeRequest_SortTarget.VERSION,
  create: RangeRequest_SortTarget.CREATE,
  mod: RangeRequest_SortTarget.MOD,
  value: RangeRequest_SortTarget.VALUE,
} as const;

function transactionOf({ guards, success, failure }: TransactionStep): DeepPartial<TxnRequest> {
  return {
    compare: guards.map(compareOf),
    success: success.map(requestOf),
    failure: failure.map(requestOf),
  };
}

function requestOf(step: Step): DeepPartial<RequestOp> {
  if (step.type === 'range') return { request: { $case: 'requestRange', value: rangeOf(step) } };
  if (step.type === 'txn') return { request: { $case: 'requestTxn', value: transactionOf(step) } };
  const key = bytesOf(step.key);
  if (step.type === 'put') {
    const { lease, prevKv } = step;
    return { request: { $case: 'requestPut', value: { key, value: bytesOf(step.value), lease, prevKv } } };
  }
  const rangeEnd = bytesOf(step.end);
  return { request: { $case: 'requestDeleteRange', value: { key, rangeEnd, prevKv: step.prevKv } } };
}

function rangeAnswerOf({ kvs, count, more }: RangeResponse): StepAnswer {
  return { type: 'range', pairs: kvs.map(pairOf), count, more };
}

function answerOf({ response }: ResponseOp): StepAnswer {
  switch (response?.$case) {
    case 'responseRange':
      return rangeAnswerOf(response.value);
    case 'responsePut':
      return { type: 'put', previous: pairOrNone(response.value.prevKv) };
    case 'responseDeleteRange': {
      const { deleted, prevKvs } = response.value;
      return { type: 'delete', deleted, previous: prevKvs.map(pairOf) };
    }
    case 'responseTxn': {
      const { succeeded, responses } = response.value;
      return { type: 'txn', succeeded, responses: responses.map(answerOf) };
    }
    default:
      throw new Error('A transaction was answered with an empty response.');
  }
}
