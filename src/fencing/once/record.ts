/**
 * The record of an operation: a line of JSON, and behind it the bytes of the result.
 *
 *   running   somebody leads the operation, or led it and ended without a word: its effect may have taken place
 *   open      the last attempt failed in a way that may be tried again
 *   done      the result; final
 *   failed    the error; final
 */
import { ConclaveError } from '../../errors/index.ts';
import type { RecordedFailure } from './failure.ts';

interface Attempted {
  /** Of the leadership that wrote it. */
  readonly token: number;
  readonly attempt: number;
}

export type FinalRecord = Attempted &
  (
    | { readonly state: 'done'; readonly result: Uint8Array }
    | { readonly state: 'failed'; readonly failure: RecordedFailure }
  );

export type OperationRecord = FinalRecord | (Attempted & { readonly state: 'running' | 'open' });

const format = 1;
const newline = 0x0a;

export function encodeRecord(record: OperationRecord): Uint8Array {
  const { state, token, attempt } = record;
  const failure = state === 'failed' ? { failure: record.failure } : {};
  const head = JSON.stringify({ operation: format, state, token, attempt, ...failure });
  const result = state === 'done' ? record.result : new Uint8Array();
  const line = new TextEncoder().encode(`${head}\n`);
  const bytes = new Uint8Array(line.length + result.length);
  bytes.set(line);
  bytes.set(result, line.length);
  return bytes;
}

/** @throws 'data-damaged' or 'data-incompatible': an operation whose record cannot be read must not run again. */
export function decodeRecord(name: string, bytes: Uint8Array): OperationRecord {
  const end = bytes.indexOf(newline);
  let head: unknown;
  try {
    if (end >= 0) head = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end)));
  } catch (cause) {
    throw damaged(name, cause);
  }
  if (typeof head !== 'object' || head === null) throw damaged(name);
  const { operation, state, token, attempt, failure } = head as Record<string, unknown>;
  if (typeof operation === 'number' && operation > format) {
    throw new ConclaveError(
      'data-incompatible',
      `The record of operation ${JSON.stringify(name)} has format ${operation}; this version reads format ${format}. Update this program.`,
    );
  }
  if (operation !== format || !isCount(token) || !isCount(attempt)) throw damaged(name);
  if (state === 'running' || state === 'open') return { state, token, attempt };
  if (state === 'done') return { state, token, attempt, result: bytes.slice(end + 1) };
  if (state === 'failed' && isFailure(failure)) return { state, token, attempt, failure };
  throw damaged(name);
}

export function isFinal(record: OperationRecord): record is FinalRecord {
  return record.state === 'done' || record.state === 'failed';
}

function isFailure(value: unknown): value is RecordedFailure {
  if (typeof value !== 'object' || value === null) return false;
  const { name, message } = value as Record<string, unknown>;
  return typeof name === 'string' && typeof message === 'string';
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function damaged(name: string, cause?: unknown): ConclaveError {
  return new ConclaveError(
    'data-damaged',
    `The record of operation ${JSON.stringify(name)} is not one that Conclave wrote for an operation: an election of the same name may have written it. Nothing was run; delete it in the store, or use another operation id.`,
    { cause },
  );
}
