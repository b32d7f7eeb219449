/**
 * The bytes of a snapshot file. Each checksum continues from the one before, so that chunks cannot be lost, repeated
 * or exchanged unnoticed; the trailer tells a whole file from a part of one.
 *
 *     header    magic 8 | length of what follows the CRC 4 | CRC 4 | version 4 | group 8 | meta (as in the log)
 *     chunk     CRC 4 | length 4 | data
 *     trailer   CRC 4 | 0xffffffff 4 | number of chunks 8 | bytes of their data 8
 */

import { ConclaveError } from '../../errors/index.ts';
import type { GroupId, SnapshotMeta } from '../../raft/types.ts';
import { ByteReader, ByteWriter } from '../log/bytes.ts';
import { crc32 } from '../log/crc32.ts';
import { readSnapshotMeta, writeSnapshotMeta } from '../log/format.ts';

export const formatVersion = 1;
export const headerStartBytes = 16;
export const chunkHeaderBytes = 8;
export const trailerBytes = 24;
const trailerMark = 0xffffffff;
const magic = Uint8Array.of(0x43, 0x4e, 0x43, 0x4c, 0x56, 0x53, 0x4e, 0x50);

export interface SnapshotHeader {
  readonly group: GroupId;
  readonly meta: SnapshotMeta;
  /** To start the first chunk's checksum from. */
  readonly crc: number;
  readonly bytes: number;
}

export function encodeHeader(group: GroupId, meta: SnapshotMeta): { bytes: Uint8Array; crc: number } {
  const to = new ByteWriter(256);
  to.data(magic);
  const lengthAt = to.skip(4);
  const crcAt = to.skip(4);
  to.word(formatVersion);
  to.number(group);
  writeSnapshotMeta(to, meta);
  to.setWord(lengthAt, to.length - headerStartBytes);
  const crc = to.checksum(headerStartBytes, to.length);
  to.setWord(crcAt, crc);
  return { bytes: to.written().slice(), crc };
}

/** How long the header is, from its first `headerStartBytes`; undefined where this is none. */
export function headerLength(start: Uint8Array): number | undefined {
  if (start.length < headerStartBytes || !magic.every((byte, at) => start[at] === byte)) return undefined;
  return headerStartBytes + new ByteReader(start, magic.length).word();
}

/** @returns undefined where it is not what was written. @throws ConclaveError 'data-incompatible' */
export function decodeHeader(path: string, bytes: Uint8Array): SnapshotHeader | undefined {
  const from = new ByteReader(bytes, magic.length + 4);
  const crc = from.word();
  if (crc !== crc32(bytes, headerStartBytes)) return undefined;
  const version = from.word();
  if (version !== formatVersion) {
    throw new ConclaveError(
      'data-incompatible',
      `'${path}' has format ${version}, which this version does not read: run the newer version.`,
    );
  }
  return { group: from.number(), meta: readSnapshotMeta(from), crc, bytes: bytes.length };
}

export function encodeChunkHeader(data: Uint8Array, crcBefore: number): { bytes: Uint8Array; crc: number } {
  const to = new ByteWriter(chunkHeaderBytes);
  to.skip(4);
  to.word(data.length);
  const crc = crc32(data, 0, data.length, to.checksum(4, chunkHeaderBytes, crcBefore));
  to.setWord(0, crc);
  return { bytes: to.written(), crc };
}

export function encodeTrailer(chunks: number, dataBytes: number, crcBefore: number): Uint8Array {
  const to = new ByteWriter(trailerBytes);
  to.skip(4);
  to.word(trailerMark);
  to.number(chunks);
  to.number(dataBytes);
  to.setWord(0, to.checksum(4, trailerBytes, crcBefore));
  return to.written();
}

/** What the eight bytes at the start of a chunk or of the trailer say. */
export function decodeChunkHeader(bytes: Uint8Array): { crc: number; length: number; isTrailer: boolean } {
  const from = new ByteReader(bytes);
  const crc = from.word();
  const length = from.word();
  return { crc, length, isTrailer: length === trailerMark };
}

/** The counts in a trailer; whether they are true shows only when all before it was read. */
export function decodeTrailer(bytes: Uint8Array): { chunks: number; dataBytes: number } {
  const from = new ByteReader(bytes, chunkHeaderBytes);
  return { chunks: from.number(), dataBytes: from.number() };
}
