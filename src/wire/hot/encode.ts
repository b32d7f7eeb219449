import { ResponseHeader } from '../generated/etcd/etcdserverpb/header.ts';
import type { PutResponse, RangeResponse } from '../generated/etcd/etcdserverpb/kv.ts';
import type { KeyValue } from '../generated/etcd/mvccpb/kv.ts';

/** Answers are parts of larger arrays: a view costs a fraction of an array with memory of its own. */
const slabBytes = 64 * 1024;
/** Longer answers are for the generated code. */
const longestBytes = 4096;

let slab = new Uint8Array(0);
let used = 0;

/** The ids of the last header, which are those of nearly all, as the wire has them. */
let clusterId = 0n;
let memberId = 0n;
let ids = new Uint8Array(0);

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

function writeVarint(at: number, value: number): number {
  let rest = value;
  let to = at;
  while (rest >= 128) {
    slab[to++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  slab[to++] = rest;
  return to;
}

/** A number field, left out where it is 0. */
function numberBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}

function writeNumber(at: number, tag: number, value: number): number {
  if (value === 0) return at;
  slab[at] = tag;
  return writeVarint(at + 1, value);
}

function fieldBytes(content: number): number {
  return 1 + varintBytes(content) + content;
}

function writeBytes(at: number, tag: number, bytes: Uint8Array): number {
  if (bytes.length === 0) return at;
  slab[at] = tag;
  const start = writeVarint(at + 1, bytes.length);
  if (bytes.length > 32) slab.set(bytes, start);
  else for (let i = 0; i < bytes.length; i++) slab[start + i] = bytes[i] as number;
  return start + bytes.length;
}

function headerBytes(header: ResponseHeader): number {
  if (header.clusterId !== clusterId || header.memberId !== memberId || ids.length === 0) {
    ids = ResponseHeader.encode({ ...header, revision: 0, raftTerm: 0 }).finish();
    clusterId = header.clusterId;
    memberId = header.memberId;
  }
  return ids.length + numberBytes(header.revision) + numberBytes(header.raftTerm);
}

/** With its tag and length, where `content` is what `headerBytes` has just told. */
function writeHeader(at: number, header: ResponseHeader, content: number): number {
  slab[at] = 10;
  let to = writeVarint(at + 1, content);
  for (let i = 0; i < ids.length; i++) slab[to + i] = ids[i] as number;
  to = writeNumber(to + ids.length, 24, header.revision);
  return writeNumber(to, 32, header.raftTerm);
}

/** Room for so many bytes in the slab; they begin at what is answered. */
function reserve(bytes: number): number {
  if (used + bytes > slab.length) {
    slab = new Uint8Array(slabBytes);
    used = 0;
  }
  const at = used;
  used += bytes;
  return at;
}

function isExact(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}

function hasExactHeader(header: ResponseHeader | undefined): header is ResponseHeader {
  return header !== undefined && isExact(header.revision) && isExact(header.raftTerm);
}

/** undefined: for the generated code. */
export function encodePutResponse(message: PutResponse): Uint8Array | undefined {
  const { header } = message;
  if (message.prevKv !== undefined || !hasExactHeader(header)) return undefined;
  const content = headerBytes(header);
  const at = reserve(fieldBytes(content));
  return slab.subarray(at, writeHeader(at, header, content));
}

function keyValueBytes(keyValue: KeyValue): number {
  const { key, value } = keyValue;
  return (
    (key.length === 0 ? 0 : fieldBytes(key.length)) +
    numberBytes(keyValue.createRevision) +
    numberBytes(keyValue.modRevision) +
    numberBytes(keyValue.version) +
    (value.length === 0 ? 0 : fieldBytes(value.length))
  );
}

function isPlain({ createRevision, modRevision, version, lease }: KeyValue): boolean {
  return lease === 0n && isExact(createRevision) && isExact(modRevision) && isExact(version);
}

function writeKeyValue(at: number, keyValue: KeyValue, content: number): number {
  slab[at] = 18;
  let to = writeVarint(at + 1, content);
  to = writeBytes(to, 10, keyValue.key);
  to = writeNumber(to, 16, keyValue.createRevision);
  to = writeNumber(to, 24, keyValue.modRevision);
  to = writeNumber(to, 32, keyValue.version);
  return writeBytes(to, 42, keyValue.value);
}

/** undefined: for the generated code. */
export function encodeRangeResponse(message: RangeResponse): Uint8Array | undefined {
  const { header, kvs, count } = message;
  if (kvs.length > 1 || message.more || !hasExactHeader(header) || !isExact(count)) return undefined;
  const [keyValue] = kvs;
  if (keyValue !== undefined && !isPlain(keyValue)) return undefined;
  const content = headerBytes(header);
  const keyValueContent = keyValue === undefined ? 0 : keyValueBytes(keyValue);
  const keyValueField = keyValue === undefined ? 0 : fieldBytes(keyValueContent);
  const bytes = fieldBytes(content) + keyValueField + numberBytes(count);
  if (bytes > longestBytes) return undefined;
  const at = reserve(bytes);
  let to = writeHeader(at, header, content);
  if (keyValue !== undefined) to = writeKeyValue(to, keyValue, keyValueContent);
  return slab.subarray(at, writeNumber(to, 32, count));
}
