import type { PortError, PortMessage, PortReply } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { Slab } from '../../member/slab.ts';

/**
 * Calls on a byte stream: u32 length of what follows, u8 kind, u32 call, what the kind needs, and the body. An opening
 * has flags, a deadline (f64 ms), its path (u8 length, Latin-1) and, where it has one, its token (u16 length, Latin-1) before
 * the body.
 */
const headBytes = 9;
const openingBytes = 10;
const kinds = { open: 1, message: 2, end: 3, cancel: 4, pause: 5, resume: 6, close: 7, failed: 8 } as const;
const flags = { body: 1, ended: 2, timeout: 4, token: 8 } as const;
const none = new Uint8Array(0);

const slab = new Slab();
const scratch = new DataView(new ArrayBuffer(8));

export function encodeCall(message: PortMessage): Uint8Array {
  if (message.kind !== 'open') return framed(message.kind, message.call, bodyOf(message));
  const { path, body, ended, timeoutMs, call, token } = message;
  const tokenBytes = token === undefined ? 0 : 2 + token.length;
  const frame = framed('open', call, body ?? none, openingBytes + path.length + tokenBytes);
  frame[headBytes] =
    (body ? flags.body : 0) |
    (ended ? flags.ended : 0) |
    (timeoutMs === undefined ? 0 : flags.timeout) |
    (token === undefined ? 0 : flags.token);
  scratch.setFloat64(0, timeoutMs ?? 0, true);
  for (let at = 0; at < 8; at++) frame[headBytes + 1 + at] = scratch.getUint8(at);
  frame[headBytes + 9] = path.length;
  for (let at = 0; at < path.length; at++) frame[headBytes + openingBytes + at] = path.charCodeAt(at);
  if (token !== undefined) putToken(frame, headBytes + openingBytes + path.length, token);
  return frame;
}

/** @param data has a frame from `start` to `end`. */
export function decodeCall(data: Uint8Array, start: number, end: number): PortMessage {
  const kind = data[start + 4] as number;
  const call = wordAt(data, start + 5);
  switch (kind) {
    case kinds.open:
      return decodeOpening(call, data, start + headBytes, end);
    case kinds.message:
      return { kind: 'message', call, body: plainView(data, start + headBytes, end) };
    case kinds.end:
      return { kind: 'end', call };
    case kinds.cancel:
      return { kind: 'cancel', call };
    case kinds.pause:
      return { kind: 'pause', call };
    case kinds.resume:
      return { kind: 'resume', call };
    default:
      throw unknownKind(kind);
  }
}

function decodeOpening(call: number, data: Uint8Array, start: number, end: number): PortMessage {
  const present = data[start] as number;
  const pathEnd = start + openingBytes + (data[start + 9] as number);
  let path = '';
  for (let at = start + openingBytes; at < pathEnd; at++) path += String.fromCharCode(data[at] as number);
  for (let at = 0; at < 8; at++) scratch.setUint8(at, data[start + 1 + at] as number);
  const ended = (present & flags.ended) !== 0;
  const token = (present & flags.token) !== 0 ? tokenAt(data, pathEnd) : undefined;
  const bodyAt = pathEnd + (token === undefined ? 0 : 2 + token.length);
  return {
    ...{ kind: 'open', call, path, ended },
    ...((present & flags.body) !== 0 && { body: plainView(data, bodyAt, end) }),
    ...((present & flags.timeout) !== 0 && { timeoutMs: scratch.getFloat64(0, true) }),
    ...(token !== undefined && { token }),
  };
}

function putToken(frame: Uint8Array, start: number, token: string): void {
  frame[start] = token.length & 0xff;
  frame[start + 1] = token.length >> 8;
  for (let at = 0; at < token.length; at++) frame[start + 2 + at] = token.charCodeAt(at);
}

function tokenAt(data: Uint8Array, start: number): string {
  const length = (data[start] as number) + (data[start + 1] as number) * 256;
  return String.fromCharCode(...data.subarray(start + 2, start + 2 + length));
}

export function encodeReply(reply: PortReply): Uint8Array {
  if (reply.kind === 'message') return framed('message', reply.call, reply.body);
  if (reply.error === undefined) return framed('close', reply.call, none);
  const { code, message, outcome, retryable } = reply.error;
  return framed('failed', reply.call, Buffer.from(JSON.stringify({ code, message, outcome, retryable })));
}

/** @param data has a frame from `start` to `end`. */
export function decodeReply(data: Uint8Array, start: number, end: number): PortReply {
  const kind = data[start + 4] as number;
  const call = wordAt(data, start + 5);
  if (kind === kinds.message) {
    return { kind: 'message', call, body: plainView(data, start + headBytes, end) };
  }
  if (kind === kinds.close) return { kind: 'close', call };
  if (kind === kinds.failed) {
    const text = Buffer.from(data.buffer, data.byteOffset + start + headBytes, end - start - headBytes);
    return { kind: 'close', call, error: JSON.parse(text.toString()) as PortError };
  }
  throw unknownKind(kind);
}

function bodyOf(message: Exclude<PortMessage, { kind: 'open' }>): Uint8Array {
  return message.kind === 'message' ? message.body : none;
}

/** One piece of memory for all, with room between the head and the body. */
function framed(kind: keyof typeof kinds, call: number, body: Uint8Array, roomBytes = 0): Uint8Array {
  const bytes = headBytes + roomBytes + body.length;
  const frame = slab.take(bytes);
  putWord(frame, 0, bytes - 4);
  frame[4] = kinds[kind];
  putWord(frame, 5, call);
  if (body.length > 0) frame.set(body, headBytes + roomBytes);
  return frame;
}

/** Not a Buffer, also where the data is one. */
function plainView(data: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset + start, end - start);
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function wordAt(bytes: Uint8Array, at: number): number {
  const upper = ((bytes[at + 3] as number) << 8) | (bytes[at + 2] as number);
  return ((upper << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at] as number)) >>> 0;
}

function unknownKind(kind: number): ConclaveError {
  return new ConclaveError('internal', `A call's message is of the unknown kind ${kind}.`);
}

/** Cuts a byte stream into the frames above, each with its head: data[start, end). */
export class CallSplitter {
  #held: Uint8Array = none;

  push(chunk: Uint8Array, take: (data: Uint8Array, start: number, end: number) => void): void {
    const whole = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let at = 0;
    while (whole.length - at >= headBytes) {
      const end = at + 4 + wordAt(whole, at);
      if (end > whole.length) break;
      take(whole, at, end);
      at = end;
    }
    this.#held = at === whole.length ? none : whole.subarray(at);
  }
}
