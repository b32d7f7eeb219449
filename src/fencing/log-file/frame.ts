/**
 * The bytes of one frame: what one append wrote, one record or several, or none (a claim).
 * Big-endian: marker (8), body length (4), mask (4), digest (16), then the body, each 4 bytes of it XORed with the mask.
 * The body: format (2), zero (2), name length (4), index (8), digest of the frame before (16), token (8), sequence of the
 * first record (8), number of records (4), zero (4), nonce (16), the election's name, and each record with its length
 * (4) before it.
 */
import { createHash } from 'node:crypto';

export interface Frame {
  /** Its place among the accepted frames, from 1. */
  readonly index: number;
  /** Of the accepted frame before it; zeros for the first. */
  readonly previous: Uint8Array;
  readonly token: number;
  readonly election: string;
  /** Of its first record, from 1; for a claim, of the record that would come next. */
  readonly sequence: number;
  readonly records: readonly Uint8Array[];
  /** 16 bytes that tell this attempt from any other. */
  readonly nonce: Uint8Array;
}

export interface FoundFrame extends Frame {
  readonly digest: Uint8Array;
}

/** Its first byte is not in it again, so that pieces of frames that were cut off never make up a marker. */
export const marker = Uint8Array.of(0xc1, 0x66, 0x6c, 0x6f, 0x67, 0x01, 0x0d, 0x0a);
export const digestBytes = 16;
const formatVersion = 1;
const headerBytes = 32;
const fixedBodyBytes = 72;

export const limits = {
  recordBytes: 16 * 2 ** 20,
  /** Records of one append and one frame. */
  frameRecords: 1024,
  nameBytes: 1024,
} as const;
const longestBody = fixedBodyBytes + limits.nameBytes + 2 * limits.recordBytes + 4 * limits.frameRecords;

/** @param random four bytes at a time, for the mask; the first try is without one. */
export function encodeFrame(frame: Frame, random: () => Uint8Array): Uint8Array {
  const body = encodeBody(frame);
  const bytes = Buffer.alloc(headerBytes + body.length);
  for (let mask: Uint8Array = new Uint8Array(4); ; mask = random()) {
    bytes.set(marker);
    bytes.writeUInt32BE(body.length, 8);
    bytes.set(mask, 12);
    bytes.set(body, headerBytes);
    applyMask(bytes.subarray(headerBytes), mask);
    bytes.set(digestOf(bytes), 16);
    // No marker may be within: where one is, a frame begins, and what comes before it was cut off.
    if (bytes.indexOf(marker, 1) === -1) return bytes;
  }
}

/** What is at the beginning of these bytes, which begin with a marker. */
export type DecodedFrame =
  | { readonly status: 'frame'; readonly frame: FoundFrame; readonly sizeBytes: number }
  /** It goes on for so many bytes from the marker, if it is one. */
  | { readonly status: 'more'; readonly sizeBytes: number }
  | { readonly status: 'none' }
  | { readonly status: 'newer'; readonly format: number };

export function decodeFrame(bytes: Buffer): DecodedFrame {
  if (bytes.length < headerBytes) return { status: 'more', sizeBytes: headerBytes };
  const bodyBytes = bytes.readUInt32BE(8);
  if (bodyBytes < fixedBodyBytes || bodyBytes > longestBody) return { status: 'none' };
  const sizeBytes = headerBytes + bodyBytes;
  if (bytes.length < sizeBytes) return { status: 'more', sizeBytes };
  const whole = bytes.subarray(0, sizeBytes);
  const digest = Uint8Array.from(whole.subarray(16, headerBytes));
  if (digestOf(whole).some((byte, position) => byte !== digest[position])) return { status: 'none' };
  const body = Buffer.from(whole.subarray(headerBytes));
  applyMask(body, whole.subarray(12, 16));
  const format = body.readUInt16BE(0);
  if (format !== formatVersion) return { status: 'newer', format };
  return { status: 'frame', frame: { ...decodeBody(body), digest }, sizeBytes };
}

function encodeBody({ index, previous, token, election, sequence, records, nonce }: Frame): Buffer {
  const name = new TextEncoder().encode(election);
  const size = records.reduce((sum, record) => sum + 4 + record.length, fixedBodyBytes + name.length);
  const body = Buffer.alloc(size);
  body.writeUInt16BE(formatVersion, 0);
  body.writeUInt32BE(name.length, 4);
  body.writeBigUInt64BE(BigInt(index), 8);
  body.set(previous, 16);
  body.writeBigUInt64BE(BigInt(token), 32);
  body.writeBigUInt64BE(BigInt(sequence), 40);
  body.writeUInt32BE(records.length, 48);
  body.set(nonce, 56);
  body.set(name, fixedBodyBytes);
  let at = fixedBodyBytes + name.length;
  for (const record of records) {
    body.writeUInt32BE(record.length, at);
    body.set(record, at + 4);
    at += 4 + record.length;
  }
  return body;
}

function decodeBody(body: Buffer): Frame {
  const nameEnd = fixedBodyBytes + body.readUInt32BE(4);
  const records: Uint8Array[] = [];
  const count = body.readUInt32BE(48);
  for (let at = nameEnd; records.length < count; ) {
    const end = at + 4 + body.readUInt32BE(at);
    records.push(Uint8Array.from(body.subarray(at + 4, end)));
    at = end;
  }
  return {
    index: Number(body.readBigUInt64BE(8)),
    previous: Uint8Array.from(body.subarray(16, 32)),
    token: Number(body.readBigUInt64BE(32)),
    election: body.toString('utf8', fixedBodyBytes, nameEnd),
    sequence: Number(body.readBigUInt64BE(40)),
    records,
    nonce: Uint8Array.from(body.subarray(56, fixedBodyBytes)),
  };
}

/** Of all but the marker and the digest itself. */
function digestOf(frame: Buffer): Uint8Array {
  const hash = createHash('sha256').update(frame.subarray(8, 16)).update(frame.subarray(headerBytes));
  return hash.digest().subarray(0, digestBytes);
}

function applyMask(bytes: Buffer, mask: Uint8Array): void {
  if (mask.every((byte) => byte === 0)) return;
  for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) ^ (mask[at & 3] ?? 0);
}
