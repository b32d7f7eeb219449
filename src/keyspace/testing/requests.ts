/** Short ways to write requests down in tests. */
import { encodeUtf8 } from '../bytes.ts';
import { encodeBatch } from '../codec-batch.ts';
import { plainRange } from '../codec-requests.ts';
import type { Keyspace } from '../keyspace.ts';
import type {
  Command,
  CommandIdentity,
  CommandOutcome,
  CommandResult,
  Compare,
  DeleteRangeRequest,
  Operation,
  PutRequest,
  RangeRequest,
  RangeResult,
  TxnRequest,
  WatchRequest,
} from '../types.ts';

/** Each character's code, low byte, so that '\0' and 'ÿ' are single bytes. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function text(data: Uint8Array): string {
  return String.fromCharCode(...data);
}

export function putRequest(key: string, value = '', more: Partial<PutRequest> = {}): PutRequest {
  return {
    key: bytes(key),
    value: bytes(value),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
    ...more,
  };
}

export function rangeRequest(key: string, rangeEnd = '', more: Partial<RangeRequest> = {}): RangeRequest {
  return { ...plainRange, key: bytes(key), rangeEnd: bytes(rangeEnd), ...more };
}

export function deleteRequest(key: string, rangeEnd = '', prevKv = false): DeleteRangeRequest {
  return { key: bytes(key), rangeEnd: bytes(rangeEnd), prevKv };
}

export function txnRequest(
  compare: readonly Compare[],
  success: readonly Operation[],
  failure: readonly Operation[] = [],
): TxnRequest {
  return { compare, success, failure };
}

export function compare(
  key: string,
  kind: 'version' | 'create' | 'mod',
  result: Compare['result'],
  revision: number,
  rangeEnd = '',
): Compare {
  return { key: bytes(key), rangeEnd: bytes(rangeEnd), result, target: { kind, revision } };
}

export function compareValue(key: string, result: Compare['result'], value: string, rangeEnd = ''): Compare {
  return {
    key: bytes(key),
    rangeEnd: bytes(rangeEnd),
    result,
    target: { kind: 'value', value: bytes(value) },
  };
}

export function putCommand(key: string, value = '', more: Partial<PutRequest> = {}): Command {
  return { type: 'put', request: putRequest(key, value, more) };
}

export function putOperation(key: string, value = '', more: Partial<PutRequest> = {}): Operation {
  return { type: 'put', request: putRequest(key, value, more) };
}

export function rangeOperation(key: string, rangeEnd = '', more: Partial<RangeRequest> = {}): Operation {
  return { type: 'range', request: rangeRequest(key, rangeEnd, more) };
}

export function deleteOperation(key: string, rangeEnd = ''): Operation {
  return { type: 'deleteRange', request: deleteRequest(key, rangeEnd, true) };
}

export function deleteCommand(key: string, rangeEnd = ''): Command {
  return { type: 'deleteRange', request: deleteRequest(key, rangeEnd, true) };
}

export function watchRequest(key: string, rangeEnd = '', more: Partial<WatchRequest> = {}): WatchRequest {
  return {
    key: bytes(key),
    rangeEnd: bytes(rangeEnd),
    startRevision: 0,
    prevKv: false,
    noPut: false,
    noDelete: false,
    ...more,
  };
}

/** Applies commands as the next entry, at the keyspace's own time unless given. */
export function applyAll(
  keyspace: Keyspace,
  commands: readonly Command[],
  timeMs = keyspace.timeMs,
): readonly CommandResult[] {
  const submitted = commands.map((command) => ({ command, identity: undefined }));
  return keyspace.apply(keyspace.appliedIndex + 1, encodeBatch({ timeMs, commands: submitted }));
}

export function applyOne(
  keyspace: Keyspace,
  command: Command,
  timeMs = keyspace.timeMs,
  identity?: CommandIdentity,
): CommandOutcome {
  const data = encodeBatch({ timeMs, commands: [{ command, identity }] });
  const [result] = keyspace.apply(keyspace.appliedIndex + 1, data);
  if (result === undefined) throw new Error('No result.');
  return result.outcome;
}

export function rangeOf(keyspace: Keyspace, request: RangeRequest): RangeResult {
  const result = keyspace.range(request);
  if ('failed' in result) throw new Error(result.failed);
  return result;
}

/** The keys of a range, or the failure. */
export function keysOf(keyspace: Keyspace, request: RangeRequest): string[] | string {
  const result = keyspace.range(request);
  return 'failed' in result ? result.failed : result.kvs.map((kv) => text(kv.key));
}

export function utf8(name: string): Uint8Array {
  return encodeUtf8(name);
}

/** Takes a snapshot whole, and puts it into `target` in pieces of `pieceBytes`. */
export function copyState(source: Keyspace, target: Keyspace, pieceBytes = 1 << 20): void {
  const reader = source.snapshot();
  const writer = target.restore();
  for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next()) {
    for (let at = 0; at < chunk.length; at += pieceBytes) writer.write(chunk.subarray(at, at + pieceBytes));
  }
  writer.finish();
}
