/**
 * Binary form of commands and of batches, the content of log entries.
 *
 * A batch is: format version, cluster time, number of commands, then each command with its length. A submitted
 * command on its own is the same bytes as inside a batch, so forwarded commands go into a batch unopened.
 */
import { readAlarm, writeAlarm } from './alarms.ts';
import {
  readAuthChange,
  readAuthor,
  readLogin,
  writeAuthChange,
  writeAuthor,
  writeLogin,
} from './auth/index.ts';
import { decodeUtf8, encodeUtf8 } from './bytes.ts';
import {
  readChoice,
  readDeleteRange,
  readPut,
  readTxn,
  writeChoice,
  writeDeleteRange,
  writePut,
  writeTxn,
} from './codec-requests.ts';
import { Reader, Writer } from './encoding.ts';
import { MalformedData } from './errors.ts';
import type { Command, CommandBatch, CommandIdentity, SubmittedCommand, TxnRequest } from './types.ts';

export const batchFormatVersion = 1;

const commandTypes: readonly Command['type'][] = [
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
  'alarm',
  'auth',
  'authenticate',
  'extendToken',
];

function writeCommand(writer: Writer, command: Command): void {
  writeChoice(writer, commandTypes, command.type, 'command');
  switch (command.type) {
    case 'put':
      writePut(writer, command.request);
      return;
    case 'deleteRange':
      writeDeleteRange(writer, command.request);
      return;
    case 'txn':
      writeTxn(writer, command.request);
      return;
    case 'txnSequence':
      writer.varint(command.requests.length);
      for (const request of command.requests) writeTxn(writer, request);
      return;
    case 'compact':
      writer.varint(Math.max(0, command.revision));
      return;
    case 'leaseGrant':
      writer.int64(command.lease);
      writer.signed(command.ttlMs);
      return;
    case 'leaseRevoke':
    case 'attach':
      writer.int64(command.lease);
      return;
    case 'leaseRenew':
      writer.varint(command.leases.length);
      for (const lease of command.leases) writer.int64(lease);
      return;
    case 'detach':
      writer.int64(command.lease);
      writer.varint(command.attachment);
      writer.varint(command.graceMs);
      return;
    case 'tick':
      return;
    case 'registerClient':
      writer.bytes(encodeUtf8(command.name));
      return;
    case 'alarm':
      writer.boolean(command.raise);
      writeAlarm(writer, command);
      return;
    case 'auth':
      writeAuthChange(writer, command.change);
      return;
    case 'authenticate':
      writeLogin(writer, command.login);
      return;
    case 'extendToken':
      writer.bytes(command.tokenId);
      writeLogin(writer, command.login);
      writer.varint(command.ttlMs);
      return;
  }
}

function readCommand(reader: Reader): Command {
  const type = readChoice(reader, commandTypes, 'command');
  switch (type) {
    case 'put':
      return { type, request: readPut(reader) };
    case 'deleteRange':
      return { type, request: readDeleteRange(reader) };
    case 'txn':
      return { type, request: readTxn(reader) };
    case 'txnSequence':
      return { type, requests: readList(reader, readTxn) };
    case 'compact':
      return { type, revision: reader.varint() };
    case 'leaseGrant':
      return { type, lease: reader.int64(), ttlMs: reader.signed() };
    case 'leaseRevoke':
    case 'attach':
      return { type, lease: reader.int64() };
    case 'leaseRenew':
      return { type, leases: readList(reader, (from) => from.int64()) };
    case 'detach':
      return { type, lease: reader.int64(), attachment: reader.varint(), graceMs: reader.varint() };
    case 'tick':
      return { type };
    case 'registerClient':
      return { type, name: readName(reader) };
    case 'alarm':
      return { type, raise: reader.boolean(), ...readAlarm(reader) };
    case 'auth':
      return { type, change: readAuthChange(reader) };
    case 'authenticate':
      return { type, login: readLogin(reader) };
    case 'extendToken':
      return { type, tokenId: reader.bytes(), login: readLogin(reader), ttlMs: reader.varint() };
  }
}

function readList<T extends TxnRequest | bigint>(reader: Reader, read: (reader: Reader) => T): T[] {
  const count = reader.count();
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read(reader));
  return items;
}

export function readName(reader: Reader): string {
  const name = decodeUtf8(reader.bytes());
  if (name === undefined) throw new MalformedData('A client name is not UTF-8.');
  return name;
}

function writeSubmitted(writer: Writer, submitted: SubmittedCommand): void {
  const { identity, author } = submitted;
  writer.byte((identity !== undefined ? 1 : 0) | (author !== undefined ? 2 : 0));
  if (author !== undefined) writeAuthor(writer, author);
  if (identity !== undefined) {
    writer.varint(identity.incarnation);
    writer.varint(identity.sequence);
    writer.varint(identity.acknowledgedBelow);
  }
  writeCommand(writer, submitted.command);
}

function readIdentity(reader: Reader): CommandIdentity {
  return {
    incarnation: reader.varint(),
    sequence: reader.varint(),
    acknowledgedBelow: reader.varint(),
  };
}

export function readSubmitted(reader: Reader): SubmittedCommand {
  const flags = reader.byte();
  if (flags > 3) throw new MalformedData(`A submitted command has unknown flags ${flags}.`);
  if (flags < 2) {
    const identity = flags === 1 ? readIdentity(reader) : undefined;
    return { command: readCommand(reader), identity };
  }
  const author = readAuthor(reader);
  const identity = (flags & 1) !== 0 ? readIdentity(reader) : undefined;
  return { command: readCommand(reader), identity, author };
}

/** What a put begins with that has no identity, no author, no lease and no options: flags, type, flags. */
export const plainPutHead = Uint8Array.of(0, commandTypes.indexOf('put'), 0);

/** Used again and again: what is written there is copied out before the next use. */
const scratch = new Writer();

/** Commands live for milliseconds: short ones are parts of larger arrays, which cost a fraction of arrays of their own. */
const slabBytes = 64 * 1024;
let slab = new Uint8Array(0);
let slabUsed = 0;

/** For forwarding to the leader, who puts it into a batch with `encodeBatchOf`. To be kept until then, not for long. */
export function encodeSubmittedCommand(submitted: SubmittedCommand): Uint8Array {
  // A command that could not be written may have left its beginning.
  scratch.length = 0;
  writeSubmitted(scratch, submitted);
  if (scratch.length > slabBytes / 16) return scratch.finish();
  if (slabUsed + scratch.length > slab.length) {
    slab = new Uint8Array(slabBytes);
    slabUsed = 0;
  }
  const start = slabUsed;
  slabUsed += scratch.length;
  scratch.moveInto(slab, start);
  return slab.subarray(start, slabUsed);
}

/** Byte fields are views of `data`. Throws MalformedData. */
export function decodeSubmittedCommand(data: Uint8Array): SubmittedCommand {
  const reader = new Reader(data);
  const submitted = readSubmitted(reader);
  reader.expectEnd('a command');
  return submitted;
}

/** A log entry's content out of commands that `encodeSubmittedCommand` made, without decoding them. */
export function encodeBatchOf(timeMs: number, encodedCommands: readonly Uint8Array[]): Uint8Array {
  scratch.length = 0;
  scratch.byte(batchFormatVersion);
  scratch.varint(timeMs);
  scratch.varint(encodedCommands.length);
  for (const encoded of encodedCommands) scratch.bytes(encoded);
  return scratch.finish();
}

/** Throws InvariantViolation on numbers that are not whole, or out of range. */
export function encodeBatch(batch: CommandBatch): Uint8Array {
  return encodeBatchOf(batch.timeMs, batch.commands.map(encodeSubmittedCommand));
}

export function openBatch(data: Uint8Array): Reader {
  const reader = new Reader(data);
  const version = reader.byte();
  if (version !== batchFormatVersion) {
    throw new MalformedData(
      `A log entry has batch format ${version}, this program knows ${batchFormatVersion}: install the newer release.`,
    );
  }
  return reader;
}

/** The stamp of an encoded batch; 0 for empty data, which carries none. */
export function batchTimeMs(data: Uint8Array): number {
  return data.length === 0 ? 0 : openBatch(data).varint();
}

/** Reads the commands that follow, up to the end of the batch: `readOne` is given as much as is each one's own. */
export function readCommands(
  reader: Reader,
  count: number,
  readOne: (reader: Reader, number: number) => void,
): void {
  for (let i = 0; i < count; i++) {
    const length = reader.varint();
    if (length > reader.remaining) throw new MalformedData(`Command ${i} of a batch is cut short.`);
    const outer = reader.end;
    reader.end = reader.position + length;
    readOne(reader, i);
    reader.expectEnd(`command ${i} of a batch`);
    reader.end = outer;
  }
  reader.expectEnd('a batch');
}

/** Byte fields are views of `data`. Throws MalformedData. */
export function decodeBatch(data: Uint8Array): CommandBatch {
  const reader = openBatch(data);
  const timeMs = reader.varint();
  const count = reader.count();
  const commands: SubmittedCommand[] = [];
  readCommands(reader, count, (from) => commands.push(readSubmitted(from)));
  return { timeMs, commands };
}
