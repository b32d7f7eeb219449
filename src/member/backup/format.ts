/**
 * The bytes of a backup.
 *
 *     head       magic 8 | CRC 4 | version 4 | length of the description 4 | description, JSON
 *     content    a snapshot file as it stands in the data folder
 *     end        zeros up to a multiple of 512 | SHA-256 of all before it 32
 *
 * The CRC covers what follows it in the head. The end is etcd's: its tools take a file for whole by it.
 */
import { ConclaveError } from '../../errors/index.ts';
import { ByteReader, ByteWriter } from '../log/bytes.ts';
import { crc32 } from '../log/crc32.ts';

export const backupFormatVersion = 1;
export const headStartBytes = 20;
export const digestBytes = 32;
const blockBytes = 512;
const magic = Uint8Array.of(0x43, 0x4e, 0x43, 0x4c, 0x56, 0x42, 0x41, 0x4b);
/** No description is longer: a thousand members with long addresses. */
const mostDescriptionBytes = 1024 * 1024;

/** Where a backup came from. */
export interface BackupDescription {
  readonly clusterId: number;
  readonly memberId: number;
  readonly memberName: string;
  readonly members: readonly BackupMember[];
  /** Of the program that wrote it. */
  readonly version: string;
  /** By the wall clock of the member. */
  readonly takenAtMs: number;
  readonly contentBytes: number;
}

export interface BackupMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

export function encodeHead(description: BackupDescription): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(description));
  const to = new ByteWriter(headStartBytes + text.length);
  to.data(magic);
  const crcAt = to.skip(4);
  to.word(backupFormatVersion);
  to.word(text.length);
  to.data(text);
  to.setWord(crcAt, to.checksum(crcAt + 4, to.length));
  return to.written().slice();
}

/** What stands between the content and the digest. */
export function padding(bytesBefore: number): Uint8Array {
  return new Uint8Array((blockBytes - (bytesBefore % blockBytes)) % blockBytes);
}

/** Whether a file of this size can be a whole backup, etcd's or ours. */
export function isWholeSize(sizeBytes: number): boolean {
  return sizeBytes > headStartBytes + digestBytes && sizeBytes % blockBytes === digestBytes;
}

/** How long the head is, from its first `headStartBytes`; undefined where this is none. */
export function headLength(start: Uint8Array): number | undefined {
  if (start.length < headStartBytes || !magic.every((byte, at) => start[at] === byte)) return undefined;
  const length = new ByteReader(start, magic.length + 8).word();
  return length > mostDescriptionBytes ? undefined : headStartBytes + length;
}

/** @returns undefined where it is not what was written. @throws ConclaveError 'data-incompatible' */
export function decodeHead(path: string, bytes: Uint8Array): BackupDescription | undefined {
  const from = new ByteReader(bytes, magic.length);
  if (from.word() !== crc32(bytes, magic.length + 4)) return undefined;
  const version = from.word();
  if (version > backupFormatVersion) {
    throw new ConclaveError(
      'data-incompatible',
      `'${path}' is a backup of format ${version}; this version reads up to ${backupFormatVersion}. Use the version ` +
        'of conclave that wrote it, or a newer one.',
      { details: { path } },
    );
  }
  return JSON.parse(new TextDecoder().decode(bytes.subarray(headStartBytes))) as BackupDescription;
}

const snapshotFileMagic = 'CNCLVSNP';
const bboltMagic = 0xed0cdaed;

/** What a file is that does not begin as a backup does. */
export function whatItIs(start: Uint8Array): string {
  const text = new TextDecoder('latin1').decode(start.subarray(0, 8));
  if (text === snapshotFileMagic) {
    return "is a snapshot out of a member's data folder, not a backup: save one with `conclave snapshot save`";
  }
  if (start.length >= headStartBytes && new ByteReader(start, 16).word() === bboltMagic) {
    return (
      'is a snapshot of etcd (a bbolt database), which only etcd can restore. To move from etcd, copy its keys while it ' +
      'runs: docs/guides/moving-from-etcd.md'
    );
  }
  return 'is not a backup of conclave';
}
