import type { CallOptions, ConclaveClient } from '../../client/index.ts';
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  type DeepPartial,
  type Event,
  Event_EventType,
  type KeyValue,
  type RequestOp,
  type ResponseOp,
} from '../../wire/index.ts';
import type { Answer, Call, Guard, Pair, SeenEvent, Step, StepAnswer } from './history.ts';
import { bytesOf, pairOf } from './model-values.ts';

/** Does what `call` says with a real client, and puts its answer as the history has it. @throws as the client */
export async function perform(client: ConclaveClient, call: Call, options: CallOptions): Promise<Answer> {
  switch (call.type) {
    case 'range': {
      const request = {
        key: bytesOf(call.key),
        rangeEnd: bytesOf(call.end),
        serializable: call.serializable,
      };
      const { header, kvs, count } = await client.range(request, options);
      return { type: 'range', pairs: kvs.map(pairOf), count, revision: header?.revision ?? 0 };
    }
    case 'put': {
      const { lease, prevKv } = call;
      const answer = await client.put(bytesOf(call.key), bytesOf(call.value), { ...options, lease, prevKv });
      return { type: 'put', previous: pairOrNone(answer.prevKv), revision: answer.header?.revision ?? 0 };
    }
    case 'delete': {
      const { prevKv } = call;
      const rangeEnd = bytesOf(call.end);
      const answer = await client.deleteRange(bytesOf(call.key), { ...options, rangeEnd, prevKv });
      const previous = answer.prevKvs.map(pairOf);
      return { type: 'delete', deleted: answer.deleted, previous, revision: answer.header?.revision ?? 0 };
    }
    case 'txn': {
      const request = {
        compare: call.guards.map(compareOf),
        success: call.success.map(requestOf),
        failure: call.failure.map(requestOf),
      };
      const { header, succeeded, responses } = await client.txn(request, options);
      return { type: 'txn', succeeded, responses: responses.map(answerOf), revision: header?.revision ?? 0 };
    }
    default:
      return await performOther(client, call, options);
  }
}

async function performOther(
  client: ConclaveClient,
  call: Extract<Call, { type: 'grant' | 'revoke' | 'renew' | 'compact' }>,
  options: CallOptions,
): Promise<Answer> {
  if (call.type === 'grant') {
    const { ttlMs } = await client.leaseGrant(call.ttlMs, { ...options, lease: call.lease });
    return { type: 'grant', ttlMs, revision: 0 };
  }
  if (call.type === 'renew') {
    return { type: 'renew', ttlMs: await client.renewLease(call.lease, options), revision: 0 };
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

function requestOf(step: Step): DeepPartial<RequestOp> {
  const key = bytesOf(step.key);
  if (step.type === 'put') {
    const { lease, prevKv } = step;
    return { request: { $case: 'requestPut', value: { key, value: bytesOf(step.value), lease, prevKv } } };
  }
  const rangeEnd = bytesOf(step.end);
  if (step.type === 'range') return { request: { $case: 'requestRange', value: { key, rangeEnd } } };
  return { request: { $case: 'requestDeleteRange', value: { key, rangeEnd, prevKv: step.prevKv } } };
}

function answerOf({ response }: ResponseOp): StepAnswer {
  switch (response?.$case) {
    case 'responseRange':
      return { type: 'range', pairs: response.value.kvs.map(pairOf), count: response.value.count };
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
