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
}

/** Headers of so many bytes are those of nearly all calls, and mostly shared by them. */
const uncountedBytes = 1024;

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
  return {
    heldBytes: bytes > uncountedBytes ? bytes : 0,
    method: methods.get(path),
    path,
    timeoutMs: timeoutMs(headerValue(fields, 'grpc-timeout')),
    encoding: headerValue(fields, 'grpc-encoding') ?? 'identity',
    fields,
  };
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
