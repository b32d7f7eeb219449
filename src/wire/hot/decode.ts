import type { PutRequest, RangeRequest } from '../generated/etcd/etcdserverpb/kv.ts';

const none: Uint8Array = new Uint8Array(0);
/** Numbers of so many bytes are exact in a JavaScript number; longer ones are for the generated code. */
const exactBytes = 7;

/** Where the reader stands after what it has just read; -1: not as expected. One message is read at a time. */
let next = 0;

/** A varint of at most 49 bits. Sets `next`. */
function readVarint(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first !== undefined && first < 0x80) {
    next = at + 1;
    return first;
  }
  let value = 0;
  let weight = 1;
  for (let i = 0; i < exactBytes; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) break;
    value += (byte & 0x7f) * weight;
    if (byte < 0x80) {
      next = at + i + 1;
      return value;
    }
    weight *= 128;
  }
  next = -1;
  return 0;
}

/** A field of bytes, as a view. Sets `next`. */
function readBytes(bytes: Uint8Array, at: number): Uint8Array {
  const size = readVarint(bytes, at);
  if (next < 0) return none;
  const start = next;
  next = start + size;
  if (next > bytes.length) {
    next = -1;
    return none;
  }
  // Not `subarray`, which of a Buffer would be a Buffer again.
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, size);
}

/** undefined: for the generated code. Byte fields are views of `bytes`. */
export function decodePutRequest(bytes: Uint8Array): PutRequest | undefined {
  let key = none;
  let value = none;
  let lease = 0n;
  let flags = 0;
  next = 0;
  while (next < bytes.length) {
    const at = next + 1;
    switch (bytes[next]) {
      case 10:
        key = readBytes(bytes, at);
        break;
      case 18:
        value = readBytes(bytes, at);
        break;
      case 24:
        lease = BigInt(readVarint(bytes, at));
        break;
      case 32:
        flags = flagged(flags, 1, readVarint(bytes, at));
        break;
      case 40:
        flags = flagged(flags, 2, readVarint(bytes, at));
        break;
      case 48:
        flags = flagged(flags, 4, readVarint(bytes, at));
        break;
      default:
        return undefined;
    }
    if (next < 0) return undefined;
  }
  return {
    key,
    value,
    lease,
    prevKv: (flags & 1) !== 0,
    ignoreValue: (flags & 2) !== 0,
    ignoreLease: (flags & 4) !== 0,
  };
}

function flagged(flags: number, flag: number, value: number): number {
  return value === 0 ? flags & ~flag : flags | flag;
}

/** undefined: for the generated code. Byte fields are views of `bytes`. */
export function decodeRangeRequest(bytes: Uint8Array): RangeRequest | undefined {
  let key = none;
  let rangeEnd = none;
  let limit = 0;
  let revision = 0;
  let flags = 0;
  next = 0;
  while (next < bytes.length) {
    const at = next + 1;
    switch (bytes[next]) {
      case 10:
        key = readBytes(bytes, at);
        break;
      case 18:
        rangeEnd = readBytes(bytes, at);
        break;
      case 24:
        limit = readVarint(bytes, at);
        break;
      case 32:
        revision = readVarint(bytes, at);
        break;
      case 56:
        flags = flagged(flags, 1, readVarint(bytes, at));
        break;
      case 64:
        flags = flagged(flags, 2, readVarint(bytes, at));
        break;
      case 72:
        flags = flagged(flags, 4, readVarint(bytes, at));
        break;
      default:
        return undefined;
    }
    if (next < 0) return undefined;
  }
  return {
    key,
    rangeEnd,
    limit,
    revision,
    sortOrder: 0,
    sortTarget: 0,
    serializable: (flags & 1) !== 0,
    keysOnly: (flags & 2) !== 0,
    countOnly: (flags & 4) !== 0,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  };
}
