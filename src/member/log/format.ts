/**
 * The bytes of a segment: a header, then batches. A batch is what one append wrote: a header and its records. Every
 * checksum starts from a number drawn for the segment, so that neither remains of an older file nor bytes chosen by
 * a client can pass for a part of the log.
 *
 *     segment header   magic 8 | CRC 4 | version 4 | sequence 8 | cluster 8 | member 8 | salt 4 | zeros
 *     batch header     magic 8 | CRC 4 | flags 4 | own offset 8 | durable up to 8 | bytes of its records 8
 *     record           CRC 4 | payload length 4 | group 8 | kind 1 | payload
 *
 * A CRC covers all that follows it in its header or record. Numbers are little-endian.
 */

import { configurationOf } from '../../raft/index.ts';
import type { Configuration, Entry, EntryKind, GroupId, HardState, SnapshotMeta } from '../../raft/types.ts';
import { ByteReader, type ByteWriter, MalformedBytes } from './bytes.ts';
import { crc32 } from './crc32.ts';

export const formatVersion = 1;
export const segmentHeaderBytes = 64;
export const batchHeaderBytes = 40;
const recordHeaderBytes = 17;
const segmentMagic = Uint8Array.of(0x43, 0x4e, 0x43, 0x4c, 0x56, 0x4c, 0x4f, 0x47);
export const batchMagic = Uint8Array.of(0xc5, 0x1d, 0xe7, 0x92, 0xba, 0x7c, 0x48, 0xf3);
/** The batch ends its segment: all that follows is in the next one. */
const sealFlag = 1;

export interface SegmentHeader {
  readonly sequence: number;
  readonly clusterId: number;
  readonly memberId: number;
  readonly salt: number;
}

export interface BatchHeader {
  readonly seals: boolean;
  readonly durableUpTo: number;
  readonly bodyBytes: number;
}

export type LogRecord =
  | { readonly kind: 'hard-state'; readonly group: GroupId; readonly hardState: HardState }
  | { readonly kind: 'entries'; readonly group: GroupId; readonly entries: readonly Entry[] }
  | {
      readonly kind: 'snapshot';
      readonly group: GroupId;
      readonly snapshot: SnapshotMeta;
      readonly keepsLog: boolean;
    }
  /** At the head of a segment: where the group's log ended when the segment was begun. */
  | { readonly kind: 'position'; readonly group: GroupId; readonly lastIndex: number };

const recordKinds = ['hard-state', 'entries', 'snapshot', 'position'] as const;
const entryKinds: readonly EntryKind[] = ['command', 'empty', 'configuration'];

export function writeSegmentHeader(to: ByteWriter, header: SegmentHeader): void {
  const start = to.length;
  to.data(segmentMagic);
  const crcAt = to.skip(4);
  to.word(formatVersion);
  to.number(header.sequence);
  to.number(header.clusterId);
  to.number(header.memberId);
  to.word(header.salt);
  to.data(new Uint8Array(segmentHeaderBytes - (to.length - start)));
  to.setWord(crcAt, to.checksum(crcAt + 4, to.length));
}

/** @returns the header, the version of a newer format, or undefined where there is no whole header. */
export function readSegmentHeader(
  bytes: Uint8Array,
): SegmentHeader | { readonly newerVersion: number } | undefined {
  if (bytes.length < segmentHeaderBytes || !startsWith(bytes, 0, segmentMagic)) return undefined;
  const reader = new ByteReader(bytes, segmentMagic.length);
  if (reader.word() !== crc32(bytes, reader.at, segmentHeaderBytes)) return undefined;
  const version = reader.word();
  if (version !== formatVersion) return { newerVersion: version };
  return {
    sequence: reader.number(),
    clusterId: reader.number(),
    memberId: reader.number(),
    salt: reader.word(),
  };
}

/** Reserves the header's place at the start of `to`, for `finishBatch`. */
export function beginBatch(to: ByteWriter): void {
  to.clear();
  to.skip(batchHeaderBytes);
}

/** Fills in the header of the batch that `to` holds. */
export function finishBatch(
  to: ByteWriter,
  salt: number,
  header: { offset: number; durableUpTo: number; seals?: boolean },
): Uint8Array {
  const end = to.length;
  to.length = 0;
  to.data(batchMagic);
  const crcAt = to.skip(4);
  to.word(header.seals ? sealFlag : 0);
  to.number(header.offset);
  to.number(header.durableUpTo);
  to.number(end - batchHeaderBytes);
  to.setWord(crcAt, to.checksum(crcAt + 4, batchHeaderBytes, salt));
  to.length = end;
  return to.written();
}

/** @returns undefined where no whole and true batch header stands at `offset`. */
export function readBatchHeader(bytes: Uint8Array, offset: number, salt: number): BatchHeader | undefined {
  const end = offset + batchHeaderBytes;
  if (end > bytes.length || !startsWith(bytes, offset, batchMagic)) return undefined;
  const reader = new ByteReader(bytes, offset + batchMagic.length, end);
  if (reader.word() !== crc32(bytes, reader.at, end, salt)) return undefined;
  const flags = reader.word();
  if (reader.number() !== offset) return undefined;
  return { seals: (flags & sealFlag) !== 0, durableUpTo: reader.number(), bodyBytes: reader.number() };
}

export function writeRecord(to: ByteWriter, salt: number, record: LogRecord): void {
  const start = to.skip(recordHeaderBytes);
  writePayload(to, record);
  const end = to.length;
  to.length = start + 4;
  to.word(end - start - recordHeaderBytes);
  to.number(record.group);
  to.byte(recordKinds.indexOf(record.kind));
  to.length = end;
  to.setWord(start, to.checksum(start + 4, end, salt));
}

/** @returns where the record ends, or undefined where no whole and true record stands at `offset`. */
export function checkRecord(
  bytes: Uint8Array,
  offset: number,
  limit: number,
  salt: number,
): number | undefined {
  if (offset + recordHeaderBytes > limit) return undefined;
  const reader = new ByteReader(bytes, offset);
  const crc = reader.word();
  const end = offset + recordHeaderBytes + reader.word();
  if (end > limit || crc32(bytes, offset + 4, end, salt) !== crc) return undefined;
  return end;
}

/**
 * Decodes a record that `checkRecord` has found true. What it returns shares no memory with `bytes`.
 *
 * @throws MalformedBytes
 */
export function readRecord(bytes: Uint8Array, offset: number): LogRecord {
  const header = new ByteReader(bytes, offset + 4);
  const length = header.word();
  const group = header.number();
  const kind = recordKinds[header.byte()];
  const payload = new ByteReader(bytes, header.at, header.at + length);
  if (kind === 'entries') return { kind, group, entries: readEntries(payload) };
  if (kind === 'hard-state') {
    const hardState = { term: payload.number(), votedFor: payload.number(), commitIndex: payload.number() };
    return { kind, group, hardState };
  }
  if (kind === 'snapshot') {
    const keepsLog = payload.byte() === 1;
    return { kind, group, keepsLog, snapshot: readSnapshotMeta(payload) };
  }
  if (kind === 'position') return { kind, group, lastIndex: payload.number() };
  throw new MalformedBytes('a record of an unknown kind');
}

function writePayload(to: ByteWriter, record: LogRecord): void {
  if (record.kind === 'entries') writeEntries(to, record.entries);
  else if (record.kind === 'hard-state') {
    to.number(record.hardState.term);
    to.number(record.hardState.votedFor);
    to.number(record.hardState.commitIndex);
  } else if (record.kind === 'snapshot') {
    to.byte(record.keepsLog ? 1 : 0);
    writeSnapshotMeta(to, record.snapshot);
  } else to.number(record.lastIndex);
}

function writeEntries(to: ByteWriter, entries: readonly Entry[]): void {
  to.number(entries[0]?.index ?? 0);
  to.word(entries.length);
  for (const entry of entries) {
    to.number(entry.term);
    to.byte(entryKinds.indexOf(entry.kind));
    to.word(entry.data.length);
    to.data(entry.data);
  }
}

function readEntries(from: ByteReader): Entry[] {
  const first = from.number();
  const count = from.word();
  const entries: Entry[] = [];
  for (let at = 0; at < count; at++) {
    const term = from.number();
    const kind = entryKinds[from.byte()];
    if (kind === undefined) throw new MalformedBytes('an entry of an unknown kind');
    entries.push({ index: first + at, term, kind, data: from.copiedData(from.word()) });
  }
  return entries;
}

/** The configuration is JSON, so that parts added to it later need no new format. */
export function writeSnapshotMeta(to: ByteWriter, meta: SnapshotMeta): void {
  to.number(meta.index);
  to.number(meta.term);
  const { context, ...members } = meta.configuration;
  const written = context === undefined ? members : { ...members, context: textOf(context) };
  const configuration = new TextEncoder().encode(JSON.stringify(written));
  to.word(configuration.length);
  to.data(configuration);
}

/** @throws MalformedBytes */
export function readSnapshotMeta(from: ByteReader): SnapshotMeta {
  const index = from.number();
  const term = from.number();
  const text = new TextDecoder().decode(from.data(from.word()));
  let configuration: unknown;
  try {
    configuration = JSON.parse(text);
  } catch {
    throw new MalformedBytes('a configuration that is not JSON');
  }
  return { index, term, configuration: asConfiguration(configuration) };
}

function asConfiguration(value: unknown): Configuration {
  const read = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const { voters, outgoing, learners, context } = read;
  const areIds = (ids: unknown): ids is number[] =>
    Array.isArray(ids) && ids.every((id) => Number.isSafeInteger(id));
  if (!areIds(voters) || (context !== undefined && typeof context !== 'string'))
    throw new MalformedBytes('a configuration without voters');
  return configurationOf({
    voters,
    outgoing: areIds(outgoing) ? outgoing : [],
    learners: areIds(learners) ? learners : [],
    context: context === undefined ? undefined : new Uint8Array(Buffer.from(context, 'base64')),
  });
}

function textOf(context: Uint8Array): string {
  return Buffer.from(context.buffer, context.byteOffset, context.byteLength).toString('base64');
}

function startsWith(bytes: Uint8Array, offset: number, prefix: Uint8Array): boolean {
  for (let at = 0; at < prefix.length; at++) if (bytes[offset + at] !== prefix[at]) return false;
  return true;
}
