import { gunzipSync, inflateSync } from 'node:zlib';
import type { HeaderField } from './hpack/decoder.ts';
import type { Message } from './message-assembler.ts';
import type { RequestHead } from './request-head.ts';
import type { RpcMethod } from './types.ts';

/** What gRPC reads in the headers of a call. */
export interface RpcHead<Connection> {
  /** undefined: there is none of that path. */
  readonly method: RpcMethod<Connection> | undefined;
  readonly path: string;
  /** Ms; undefined: the caller waits for ever. NaN: not what gRPC writes. */
  readonly timeoutMs: number | undefined;
  readonly encoding: string;
  readonly fields: readonly HeaderField[];
  /** What a call keeps by its headers, where that is worth counting; else 0. */
  readonly heldBytes: number;
  /** Why it cannot be served; undefined: it can. */
  readonly problem: { readonly code: number; readonly text: string } | undefined;
  /** Fields that were asked for: calls with the same headers share this. */
  readonly asked: Map<string, string | undefined>;
}

/** Headers of so many bytes are those of nearly all calls, and mostly shared by them. */
const uncountedBytes = 1024;

const unimplemented = 12;
const internal = 13;

/** Encodings of requests that we read. */
export const encodings = 'identity,deflate,gzip';

const unitsMs: Readonly<Record<string, number>> = {
  ...{ H: 3_600_000, M: 60_000, S: 1000 },
  ...{ m: 1, u: 1e-3, n: 1e-6 },
};

/** Whether it is a call of gRPC's at all. */
export function isRpc(head: RequestHead): boolean {
  const type = headerValue(head.fields, 'content-type') ?? '';
  return /^application\/grpc(?:[+;]|$)/.test(type);
}

export function rpcHead<Connection>(
  head: RequestHead,
  methods: ReadonlyMap<string, RpcMethod<Connection>>,
): RpcHead<Connection> {
  const { path, fields } = head;
  const bytes = fields.reduce((sum, [name, value]) => sum + name.length + value.length, path.length);
  const given = {
    heldBytes: bytes > uncountedBytes ? bytes : 0,
    method: methods.get(path),
    path,
    timeoutMs: timeoutMs(headerValue(fields, 'grpc-timeout')),
    encoding: headerValue(fields, 'grpc-encoding') ?? 'identity',
    fields,
    asked: new Map(),
  };
  return { ...given, problem: problemOf(head, given) };
}

function problemOf<Connection>(
  request: RequestHead,
  head: Omit<RpcHead<Connection>, 'problem'>,
): RpcHead<Connection>['problem'] {
  if (head.method === undefined) {
    return { code: unimplemented, text: `The server does not implement the method ${head.path}` };
  }
  if (Number.isNaN(head.timeoutMs)) return { code: internal, text: 'malformed grpc-timeout' };
  if (request.method !== 'POST')
    return { code: internal, text: `a call is made by POST, not ${request.method}` };
  if (encodings.split(',').includes(head.encoding)) return undefined;
  const text = `grpc: Decompressor is not installed for grpc-encoding "${head.encoding}"`;
  return { code: unimplemented, text };
}

/** A field of the call, looked up once for all calls that share the headers. */
export function fieldOf<Connection>(head: RpcHead<Connection>, name: string): string | undefined {
  const { asked } = head;
  const known = asked.get(name);
  if (known !== undefined || asked.has(name)) return known;
  const value = headerValue(head.fields, name);
  // Names are asked for by our own code, so they are few.
  asked.set(name, value);
  return value;
}

export function headerValue(fields: readonly HeaderField[], name: string): string | undefined {
  for (const field of fields) if (field[0] === name) return field[1];
  return undefined;
}

function timeoutMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  return match === null ? Number.NaN : Number(match[1]) * (unitsMs[match[2] as string] as number);
}

/** The content of a message. undefined: its encoding is not one that we read, or it is not in that encoding. */
export function contentOf(message: Message, encoding: string, maxBytes: number): Uint8Array | undefined {
  if (!message.compressed) return message.bytes;
  // One byte more than allowed is enough for the limit to be noticed; a bomb is not unpacked.
  const options = { maxOutputLength: maxBytes + 1 };
  try {
    if (encoding === 'gzip') return gunzipSync(message.bytes, options);
    if (encoding === 'deflate') return inflateSync(message.bytes, options);
  } catch {
    // Told by the answer.
  }
  return undefined;
}

/** gRPC's way to write a text into a header: everything but printable ASCII, and the sign itself, as %XX. */
export function percentEncoded(text: string): string {
  if (/^[ -$&-~]*$/.test(text)) return text;
  let encoded = '';
  for (const byte of new TextEncoder().encode(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
