/** Binary form of requests: range, put, delete and nested transactions. */
import { emptyBytes } from './bytes.ts';
import type { Reader, Writer } from './encoding.ts';
import { InvariantViolation, MalformedData } from './errors.ts';
import type {
  Compare,
  DeleteRangeRequest,
  Operation,
  PutRequest,
  RangeRequest,
  SortOrder,
  SortTarget,
  TxnRequest,
} from './types.ts';

/** Deeper nesting than any client means, and shallow enough for the stack. */
const maxTxnDepth = 64;

const sortOrders: readonly SortOrder[] = ['none', 'ascend', 'descend'];
const sortTargets: readonly SortTarget[] = ['key', 'version', 'create', 'mod', 'value'];
const compareResults: readonly Compare['result'][] = ['equal', 'greater', 'less', 'not-equal'];
const compareTargets: readonly Compare['target']['kind'][] = ['version', 'create', 'mod', 'value', 'lease'];
const operationTypes: readonly Operation['type'][] = ['range', 'put', 'deleteRange', 'txn'];

/** The item of a closed list that a byte stands for. */
export function readChoice<T>(reader: Reader, choices: readonly T[], what: string): T {
  return choice(choices, reader.byte(), what);
}

function choice<T>(choices: readonly T[], number: number, what: string): T {
  const value = choices[number];
  if (value === undefined) throw new MalformedData(`${number} is not a known ${what}.`);
  return value;
}

export function writeChoice<T>(writer: Writer, choices: readonly T[], value: T, what: string): void {
  const number = choices.indexOf(value);
  if (number < 0) throw new InvariantViolation(`'${String(value)}' is not a known ${what}.`);
  writer.byte(number);
}

export function writePut(writer: Writer, request: PutRequest): void {
  const hasLease = request.lease !== 0n;
  writer.byte(
    (request.prevKv ? 1 : 0) |
      (request.ignoreValue ? 2 : 0) |
      (request.ignoreLease ? 4 : 0) |
      (hasLease ? 8 : 0),
  );
  writer.bytes(request.key);
  writer.bytes(request.value);
  if (hasLease) writer.int64(request.lease);
}

export function readPut(reader: Reader): PutRequest {
  const flags = reader.byte();
  if (flags > 15) throw new MalformedData(`A put has unknown flags ${flags}.`);
  return {
    key: reader.bytes(),
    value: reader.bytes(),
    lease: (flags & 8) !== 0 ? reader.int64() : 0n,
    prevKv: (flags & 1) !== 0,
    ignoreValue: (flags & 2) !== 0,
    ignoreLease: (flags & 4) !== 0,
  };
}

export function writeDeleteRange(writer: Writer, request: DeleteRangeRequest): void {
  writer.boolean(request.prevKv);
  writer.bytes(request.key);
  writer.bytes(request.rangeEnd);
}

export function readDeleteRange(reader: Reader): DeleteRangeRequest {
  const prevKv = reader.boolean();
  return { key: reader.bytes(), rangeEnd: reader.bytes(), prevKv };
}

/** A negative upper bound excludes everything, and so does 1, as no revision is below 2. */
function upperBound(revision: number): number {
  return revision < 0 ? 1 : revision;
}

/** Of negative revisions only -1 is told from the others: transactions refuse those before etcd's first, -1. */
export function writeRange(writer: Writer, request: RangeRequest): void {
  const numbers = [
    Math.max(0, request.limit),
    Math.max(0, request.revision),
    Math.max(0, request.minModRevision),
    upperBound(request.maxModRevision),
    Math.max(0, request.minCreateRevision),
    upperBound(request.maxCreateRevision),
  ];
  writeChoice(writer, sortOrders, request.sortOrder, 'sort order');
  writeChoice(writer, sortTargets, request.sortTarget, 'sort target');
  const negative = request.revision < -1 ? 4 : request.revision === -1 ? 8 : 0;
  writer.byte((request.keysOnly ? 1 : 0) | (request.countOnly ? 2 : 0) | negative);
  let present = 0;
  for (const [i, value] of numbers.entries()) if (value !== 0) present |= 1 << i;
  writer.byte(present);
  for (const value of numbers) if (value !== 0) writer.varint(value);
  writer.bytes(request.key);
  writer.bytes(request.rangeEnd);
}

export function readRange(reader: Reader): RangeRequest {
  const sortOrder = readChoice(reader, sortOrders, 'sort order');
  const sortTarget = readChoice(reader, sortTargets, 'sort target');
  const flags = reader.byte();
  const present = reader.byte();
  if (flags > 15 || present > 63) throw new MalformedData('A range has unknown flags.');
  const optional = (bit: number): number => ((present & bit) !== 0 ? reader.varint() : 0);
  const limit = optional(1);
  const given = optional(2);
  const revision = (flags & 4) !== 0 ? -2 : (flags & 8) !== 0 ? -1 : given;
  const minModRevision = optional(4);
  const maxModRevision = optional(8);
  const minCreateRevision = optional(16);
  const maxCreateRevision = optional(32);
  return {
    key: reader.bytes(),
    rangeEnd: reader.bytes(),
    limit,
    revision,
    sortOrder,
    sortTarget,
    keysOnly: (flags & 1) !== 0,
    countOnly: (flags & 2) !== 0,
    minModRevision,
    maxModRevision,
    minCreateRevision,
    maxCreateRevision,
  };
}

function writeCompare(writer: Writer, compare: Compare): void {
  writeChoice(writer, compareResults, compare.result, 'comparison');
  writeChoice(writer, compareTargets, compare.target.kind, 'compare target');
  writer.bytes(compare.key);
  writer.bytes(compare.rangeEnd);
  const target = compare.target;
  if (target.kind === 'value') writer.bytes(target.value);
  else if (target.kind === 'lease') writer.int64(target.lease);
  else writer.signed(target.revision);
}

function readCompare(reader: Reader): Compare {
  const result = readChoice(reader, compareResults, 'comparison');
  const kind = readChoice(reader, compareTargets, 'compare target');
  const key = reader.bytes();
  const rangeEnd = reader.bytes();
  if (kind === 'value') return { key, rangeEnd, result, target: { kind, value: reader.bytes() } };
  if (kind === 'lease') return { key, rangeEnd, result, target: { kind, lease: reader.int64() } };
  return { key, rangeEnd, result, target: { kind, revision: reader.signed() } };
}

function writeOperations(writer: Writer, operations: readonly Operation[], depth: number): void {
  writer.varint(operations.length);
  for (const operation of operations) {
    writeChoice(writer, operationTypes, operation.type, 'operation');
    if (operation.type === 'put') writePut(writer, operation.request);
    else if (operation.type === 'range') writeRange(writer, operation.request);
    else if (operation.type === 'deleteRange') writeDeleteRange(writer, operation.request);
    else writeTxn(writer, operation.request, depth + 1);
  }
}

function readOperations(reader: Reader, depth: number): Operation[] {
  const count = reader.count();
  const operations: Operation[] = [];
  for (let i = 0; i < count; i++) {
    const type = readChoice(reader, operationTypes, 'operation');
    if (type === 'put') operations.push({ type, request: readPut(reader) });
    else if (type === 'range') operations.push({ type, request: readRange(reader) });
    else if (type === 'deleteRange') operations.push({ type, request: readDeleteRange(reader) });
    else operations.push({ type, request: readTxn(reader, depth + 1) });
  }
  return operations;
}

export function writeTxn(writer: Writer, request: TxnRequest, depth = 0): void {
  if (depth > maxTxnDepth) throw new InvariantViolation(`A transaction nests deeper than ${maxTxnDepth}.`);
  writer.varint(request.compare.length);
  for (const compare of request.compare) writeCompare(writer, compare);
  writeOperations(writer, request.success, depth);
  writeOperations(writer, request.failure, depth);
}

export function readTxn(reader: Reader, depth = 0): TxnRequest {
  if (depth > maxTxnDepth) throw new MalformedData(`A transaction nests deeper than ${maxTxnDepth}.`);
  const count = reader.count();
  const compare: Compare[] = [];
  for (let i = 0; i < count; i++) compare.push(readCompare(reader));
  return { compare, success: readOperations(reader, depth), failure: readOperations(reader, depth) };
}

/** A range over one key with no options, as a base for others. */
export const plainRange: RangeRequest = {
  key: emptyBytes,
  rangeEnd: emptyBytes,
  limit: 0,
  revision: 0,
  sortOrder: 'none',
  sortTarget: 'key',
  keysOnly: false,
  countOnly: false,
  minModRevision: 0,
  maxModRevision: 0,
  minCreateRevision: 0,
  maxCreateRevision: 0,
};
