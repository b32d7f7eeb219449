import { ConclaveError } from '../errors/index.ts';
import type { ChangeRequest } from './membership/index.ts';
import { FrameReader, FrameWriter } from './peers/bytes.ts';
import type { MembershipOutcome } from './types.ts';

/** What one member asks of the Raft leader, and the answer. */
export type LeaderRequest =
  | { readonly type: 'propose'; readonly requestId: number; readonly encoded: Uint8Array }
  | { readonly type: 'lease'; readonly requestId: number; readonly lease: bigint }
  | { readonly type: 'membership'; readonly requestId: number; readonly request: ChangeRequest };

export type LeaderResponse =
  /** `index`: where in the log it was applied. */
  | {
      readonly type: 'proposed';
      readonly requestId: number;
      readonly encodedResult: Uint8Array;
      readonly index: number;
    }
  /** undefined: no such lease. */
  | { readonly type: 'lease'; readonly requestId: number; readonly remainingMs: number | undefined }
  /** Not the leader, or no longer: ask whoever is, under the same identity. */
  | { readonly type: 'retry'; readonly requestId: number }
  | { readonly type: 'refused'; readonly requestId: number }
  /** What was forwarded is no command that the leader can read: a newer release's, or nonsense. It was not logged. */
  | { readonly type: 'not-understood'; readonly requestId: number }
  /** It was applied, and its result is more than a frame carries. */
  | { readonly type: 'result-too-large'; readonly requestId: number }
  | { readonly type: 'membership'; readonly requestId: number; readonly outcome: MembershipOutcome };

export function encodeRequest(request: LeaderRequest): Uint8Array {
  if (request.type === 'propose') {
    return new FrameWriter(16 + request.encoded.length)
      .u8(1)
      .u53(request.requestId)
      .bytes(request.encoded)
      .finish();
  }
  if (request.type === 'lease')
    return new FrameWriter(24).u8(2).u53(request.requestId).i64(request.lease).finish();
  return new FrameWriter().u8(3).u53(request.requestId).text(JSON.stringify(request.request)).finish();
}

/** @throws ConclaveError 'invalid-argument' on malformed input. */
export function decodeRequest(payload: Uint8Array): LeaderRequest {
  const reader = new FrameReader(payload);
  const type = reader.u8();
  if (type === 1) return { type: 'propose', requestId: reader.u53(), encoded: reader.bytes().slice() };
  if (type === 3) return { type: 'membership', requestId: reader.u53(), request: parse(reader.text()) };
  return { type: 'lease', requestId: reader.u53(), lease: reader.i64() };
}

export function encodeResponse(response: LeaderResponse): Uint8Array {
  switch (response.type) {
    case 'proposed':
      return new FrameWriter(24 + response.encodedResult.length)
        .u8(1)
        .u53(response.requestId)
        .bytes(response.encodedResult)
        .u53(response.index)
        .finish();
    case 'lease':
      return new FrameWriter(24)
        .u8(2)
        .u53(response.requestId)
        .boolean(response.remainingMs !== undefined)
        .f64(response.remainingMs ?? 0)
        .finish();
    case 'retry':
      return new FrameWriter(16).u8(3).u53(response.requestId).finish();
    case 'refused':
      return new FrameWriter(16).u8(4).u53(response.requestId).finish();
    case 'not-understood':
      return new FrameWriter(16).u8(6).u53(response.requestId).finish();
    case 'result-too-large':
      return new FrameWriter(16).u8(7).u53(response.requestId).finish();
    case 'membership':
      return new FrameWriter().u8(5).u53(response.requestId).text(JSON.stringify(response.outcome)).finish();
  }
}

const answersWithoutContent: Readonly<Record<number, 'not-understood' | 'result-too-large'>> = {
  6: 'not-understood',
  7: 'result-too-large',
};

/** @throws ConclaveError 'invalid-argument' on malformed input. */
export function decodeResponse(payload: Uint8Array): LeaderResponse {
  const reader = new FrameReader(payload);
  const type = reader.u8();
  const requestId = reader.u53();
  if (type === 1) {
    const encodedResult = reader.bytes().slice();
    return { type: 'proposed', requestId, encodedResult, index: reader.u53() };
  }
  if (type === 2)
    return { type: 'lease', requestId, remainingMs: reader.boolean() ? reader.f64() : undefined };
  if (type === 5) return { type: 'membership', requestId, outcome: parse(reader.text()) };
  return { type: type === 3 ? 'retry' : (answersWithoutContent[type] ?? 'refused'), requestId };
}

/** Members speak to each other here: that it is JSON is all that needs to be looked at. */
function parse<Value>(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch (error) {
    throw new ConclaveError('invalid-argument', 'A peer frame holds what is not JSON.', { cause: error });
  }
}
