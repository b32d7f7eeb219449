/** Binary form of results: for the answers kept for retries, and for forwarding between members. */
import { type Alarm, readAlarm, writeAlarm } from './alarms.ts';
import { readChoice, writeChoice } from './codec-requests.ts';
import { Reader, Writer } from './encoding.ts';
import { MalformedData } from './errors.ts';
import type {
  CommandFailure,
  CommandOutcome,
  CommandResult,
  DeleteRangeResult,
  KeyValue,
  OperationResult,
  PutResult,
  RangeResult,
  TxnResult,
} from './types.ts';

const outcomeTypes: readonly CommandOutcome['type'][] = [
  'put',
  'deleteRange',
  'txn',
  'txnSequence',
  'compact',
  'leaseGrant',
  'leaseRevoke',
  'leaseRenew',
  'attach',
  'detach',
  'tick',
  'registerClient',
  'failed',
  'alarm',
  'auth',
  'authenticate',
  'extendToken',
];
const failures: readonly CommandFailure[] = [
  'key-not-found',
  'lease-not-found',
  'lease-exists',
  'compacted',
  'future-revision',
  'ttl-out-of-range',
  'unknown-incarnation',
  'sequence-forgotten',
  'no-space',
  'corrupt',
  'root-user-missing',
  'root-role-missing',
  'user-exists',
  'user-name-empty',
  'user-not-found',
  'role-exists',
  'role-name-empty',
  'role-not-found',
  'role-not-granted',
  'permission-not-granted',
  'invalid-auth-management',
  'permission-denied',
  'auth-revision-old',
  'auth-not-enabled',
];
const resultTypes: readonly OperationResult['type'][] = ['range', 'put', 'deleteRange', 'txn'];
const maxDepth = 64;

function writeKeyValue(writer: Writer, kv: KeyValue): void {
  const hasLease = kv.lease !== 0n;
  writer.boolean(hasLease);
  writer.bytes(kv.key);
  writer.varint(kv.createRevision);
  writer.varint(kv.modRevision);
  writer.varint(kv.version);
  writer.bytes(kv.value);
  if (hasLease) writer.int64(kv.lease);
}

function readKeyValue(reader: Reader): KeyValue {
  const hasLease = reader.boolean();
  return {
    key: reader.bytes(),
    createRevision: reader.varint(),
    modRevision: reader.varint(),
    version: reader.varint(),
    value: reader.bytes(),
    lease: hasLease ? reader.int64() : 0n,
  };
}

function writeKeyValues(writer: Writer, kvs: readonly KeyValue[]): void {
  writer.varint(kvs.length);
  for (const kv of kvs) writeKeyValue(writer, kv);
}

function readKeyValues(reader: Reader): KeyValue[] {
  const count = reader.count();
  const kvs: KeyValue[] = [];
  for (let i = 0; i < count; i++) kvs.push(readKeyValue(reader));
  return kvs;
}

function writePutResult(writer: Writer, result: PutResult): void {
  writer.boolean(result.prevKv !== undefined);
  if (result.prevKv !== undefined) writeKeyValue(writer, result.prevKv);
}

function readPutResult(reader: Reader): PutResult {
  return { prevKv: reader.boolean() ? readKeyValue(reader) : undefined };
}

function writeDeleteResult(writer: Writer, result: DeleteRangeResult): void {
  writer.varint(result.deleted);
  writeKeyValues(writer, result.prevKvs);
}

function readDeleteResult(reader: Reader): DeleteRangeResult {
  return { deleted: reader.varint(), prevKvs: readKeyValues(reader) };
}

function writeRangeResult(writer: Writer, result: RangeResult): void {
  writer.boolean(result.more);
  writer.varint(result.count);
  writeKeyValues(writer, result.kvs);
}

function readRangeResult(reader: Reader): RangeResult {
  const more = reader.boolean();
  const count = reader.varint();
  return { kvs: readKeyValues(reader), more, count };
}

function writeTxnResult(writer: Writer, result: TxnResult): void {
  writer.boolean(result.succeeded);
  writer.varint(result.responses.length);
  for (const response of result.responses) {
    writeChoice(writer, resultTypes, response.type, 'operation result');
    if (response.type === 'range') writeRangeResult(writer, response.result);
    else if (response.type === 'put') writePutResult(writer, response.result);
    else if (response.type === 'deleteRange') writeDeleteResult(writer, response.result);
    else writeTxnResult(writer, response.result);
  }
}

function readTxnResult(reader: Reader, depth = 0): TxnResult {
  if (depth > maxDepth) throw new MalformedData(`A transaction result nests deeper than ${maxDepth}.`);
  const succeeded = reader.boolean();
  const count = reader.count();
  const responses: OperationResult[] = [];
  for (let i = 0; i < count; i++) {
    const type = readChoice(reader, resultTypes, 'operation result');
    if (type === 'range') responses.push({ type, result: readRangeResult(reader) });
    else if (type === 'put') responses.push({ type, result: readPutResult(reader) });
    else if (type === 'deleteRange') responses.push({ type, result: readDeleteResult(reader) });
    else responses.push({ type, result: readTxnResult(reader, depth + 1) });
  }
  return { succeeded, responses };
}

function writeOutcome(writer: Writer, outcome: CommandOutcome): void {
  writeChoice(writer, outcomeTypes, outcome.type, 'outcome');
  switch (outcome.type) {
    case 'put':
      writePutResult(writer, outcome.result);
      return;
    case 'deleteRange':
      writeDeleteResult(writer, outcome.result);
      return;
    case 'txn':
      writeTxnResult(writer, outcome.result);
      return;
    case 'txnSequence':
      writer.varint(outcome.results.length);
      for (const { result, revision } of outcome.results) {
        writer.varint(revision);
        writeTxnResult(writer, result);
      }
      return;
    case 'leaseGrant':
      writer.int64(outcome.lease);
      writer.varint(outcome.ttlMs);
      return;
    case 'leaseRenew':
      writer.varint(outcome.ttlsMs.length);
      for (const ttlMs of outcome.ttlsMs) writer.varint(ttlMs);
      return;
    case 'attach':
      writer.varint(outcome.attachment);
      return;
    case 'detach':
      writer.boolean(outcome.current);
      return;
    case 'registerClient':
      writer.varint(outcome.incarnation);
      return;
    case 'failed':
      writeChoice(writer, failures, outcome.failure, 'failure');
      return;
    case 'alarm':
      writer.varint(outcome.alarms.length);
      for (const alarm of outcome.alarms) writeAlarm(writer, alarm);
      return;
    case 'authenticate':
      writer.varint(outcome.timeMs);
      return;
    case 'compact':
    case 'leaseRevoke':
    case 'tick':
    case 'auth':
    case 'extendToken':
      return;
  }
}

function readSequence(reader: Reader): CommandOutcome {
  const count = reader.count();
  const results: { result: TxnResult; revision: number }[] = [];
  for (let i = 0; i < count; i++) {
    const revision = reader.varint();
    results.push({ result: readTxnResult(reader), revision });
  }
  return { type: 'txnSequence', results };
}

function readRenewed(reader: Reader): CommandOutcome {
  const count = reader.count();
  const ttlsMs: number[] = [];
  for (let i = 0; i < count; i++) ttlsMs.push(reader.varint());
  return { type: 'leaseRenew', ttlsMs };
}

function readAlarms(reader: Reader): Alarm[] {
  const alarms: Alarm[] = [];
  for (let count = reader.count(); count > 0; count--) alarms.push(readAlarm(reader));
  return alarms;
}

function readOutcome(reader: Reader): CommandOutcome {
  const type = readChoice(reader, outcomeTypes, 'outcome');
  switch (type) {
    case 'put':
      return { type, result: readPutResult(reader) };
    case 'deleteRange':
      return { type, result: readDeleteResult(reader) };
    case 'txn':
      return { type, result: readTxnResult(reader) };
    case 'txnSequence':
      return readSequence(reader);
    case 'leaseGrant':
      return { type, lease: reader.int64(), ttlMs: reader.varint() };
    case 'leaseRenew':
      return readRenewed(reader);
    case 'attach':
      return { type, attachment: reader.varint() };
    case 'detach':
      return { type, current: reader.boolean() };
    case 'registerClient':
      return { type, incarnation: reader.varint() };
    case 'failed':
      return { type, failure: readChoice(reader, failures, 'failure') };
    case 'alarm':
      return { type, alarms: readAlarms(reader) };
    case 'authenticate':
      return { type, timeMs: reader.varint() };
    case 'compact':
    case 'leaseRevoke':
    case 'tick':
    case 'auth':
    case 'extendToken':
      return { type };
  }
}

const scratch = new Writer();

export function encodeCommandResult(result: CommandResult): Uint8Array {
  scratch.length = 0;
  scratch.varint(result.revision);
  writeOutcome(scratch, result.outcome);
  return scratch.finish();
}

/** Byte fields are views of `data`. Throws MalformedData. */
export function decodeCommandResult(data: Uint8Array): CommandResult {
  const reader = new Reader(data);
  const revision = reader.varint();
  const outcome = readOutcome(reader);
  reader.expectEnd('a result');
  return { revision, outcome };
}
