/**
 * The bytes of one version: a header, the election's name, the data, and a SHA-256 over all that precedes it.
 * Big-endian: magic (8), format (2), zero (2), name length (4), version (8), token (8), data length (8), nonce (16).
 */
import { createHash } from 'node:crypto';

export interface VersionContent {
  readonly version: number;
  /** The fencing token that it was written with. */
  readonly token: number;
  /** The election that the token is from; tokens of different elections do not compare. */
  readonly election: string;
  /** 16 bytes that tell this writer's attempt from any other. */
  readonly nonce: Uint8Array;
  readonly data: Uint8Array;
}

const magic = new TextEncoder().encode('CNCLVFIL');
const formatVersion = 1;
const headerBytes = 56;
const checksumBytes = 32;

/** As chunks, so that large data is not copied. */
export function encodeVersion(content: VersionContent): Uint8Array[] {
  const name = new TextEncoder().encode(content.election);
  const header = new Uint8Array(headerBytes);
  const view = new DataView(header.buffer);
  header.set(magic);
  view.setUint16(8, formatVersion);
  view.setUint32(12, name.length);
  view.setBigUint64(16, BigInt(content.version));
  view.setBigUint64(24, BigInt(content.token));
  view.setBigUint64(32, BigInt(content.data.length));
  header.set(content.nonce, 40);
  const checksum = createHash('sha256').update(header).update(name).update(content.data).digest();
  return [header, name, content.data, checksum];
}

export type DecodedVersion =
  | { readonly status: 'valid'; readonly content: VersionContent }
  | { readonly status: 'damaged'; readonly reason: string }
  | { readonly status: 'newer'; readonly format: number };

export function decodeVersion(bytes: Uint8Array): DecodedVersion {
  const damaged = (reason: string): DecodedVersion => ({ status: 'damaged', reason });
  if (bytes.length < headerBytes + checksumBytes) return damaged('it is shorter than a header');
  if (magic.some((byte, position) => bytes[position] !== byte)) return damaged('it does not begin as one');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const format = view.getUint16(8);
  if (format > formatVersion) return { status: 'newer', format };
  const body = bytes.subarray(0, bytes.length - checksumBytes);
  const checksum = createHash('sha256').update(body).digest();
  if (!checksum.equals(bytes.subarray(body.length))) return damaged('its checksum is wrong');
  const nameBytes = view.getUint32(12);
  const dataBytes = Number(view.getBigUint64(32));
  if (headerBytes + nameBytes + dataBytes !== body.length) return damaged('its lengths do not add up');
  const dataStart = headerBytes + nameBytes;
  return {
    status: 'valid',
    content: {
      version: Number(view.getBigUint64(16)),
      token: Number(view.getBigUint64(24)),
      election: new TextDecoder().decode(body.subarray(headerBytes, dataStart)),
      nonce: body.slice(40, headerBytes),
      data: body.slice(dataStart),
    },
  };
}
