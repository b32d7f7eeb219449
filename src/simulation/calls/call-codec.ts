import type { PortError, PortMessage, PortReply } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';

/**
 * Calls on a byte stream: u32 length of what follows, u8 kind, u32 call, what the kind needs, and the body. An opening
 * has flags, a deadline (f64 ms) and its path (u8 length, Latin-1) before the body.
 */
const headBytes = 9;
const kinds = { open: 1, message: 2, end: 3, cancel: 4, pause: 5, resume: 6, close: 7, failed: 8 } as const;
const flags = { body: 1, ended: 2, timeout: 4 } as const;
const none = new Uint8Array(0);

export function encodeCall(message: PortMessage): Uint8Array[] {
  if (message.kind !== 'open') return framed(message.kind, message.call, bodyOf(message));
  const { path, body, ended, timeoutMs, call } = message;
  const before = Buffer.allocUnsafe(10 + path.length);
  before[0] =
    (body ? flags.body : 0) | (ended ? flags.ended : 0) | (timeoutMs === undefined ? 0 : flags.timeout);
  before.writeDoubleLE(timeoutMs ?? 0, 1);
  before[9] = path.length;
  before.write(path, 10, 'latin1');
  return framed('open', call, before, body ?? none);
}

export function decodeCall(frame: Uint8Array): PortMessage {
  const kind = frame[4] as number;
  const call = wordAt(frame, 5);
  switch (kind) {
    case kinds.open:
      return decodeOpening(call, frame);
    case kinds.message:
      return { kind: 'message', call, body: frame.subarray(headBytes) };
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

function decodeOpening(call: number, frame: Uint8Array): PortMessage {
  const rest = bufferOf(frame, headBytes);
  const present = rest[0] as number;
  const bodyAt = 10 + (rest[9] as number);
  const path = rest.toString('latin1', 10, bodyAt);
  const ended = (present & flags.ended) !== 0;
  return {
    ...{ kind: 'open', call, path, ended },
    ...((present & flags.body) !== 0 && { body: rest.subarray(bodyAt) }),
    ...((present & flags.timeout) !== 0 && { timeoutMs: rest.readDoubleLE(1) }),
  };
}

export function encodeReply(reply: PortReply): Uint8Array[] {
  if (reply.kind === 'message') return framed('message', reply.call, reply.body);
  if (reply.error === undefined) return framed('close', reply.call, none);
  const { code, message, outcome, retryable } = reply.error;
  return framed('failed', reply.call, Buffer.from(JSON.stringify({ code, message, outcome, retryable })));
}

export function decodeReply(frame: Uint8Array): PortReply {
  const kind = frame[4] as number;
  const call = wordAt(frame, 5);
  if (kind === kinds.message) return { kind: 'message', call, body: frame.subarray(headBytes) };
  if (kind === kinds.close) return { kind: 'close', call };
  if (kind === kinds.failed) {
    return { kind: 'close', call, error: JSON.parse(bufferOf(frame, headBytes).toString()) as PortError };
  }
  throw unknownKind(kind);
}

function bodyOf(message: Exclude<PortMessage, { kind: 'open' }>): Uint8Array {
  return message.kind === 'message' ? message.body : none;
}

function framed(kind: keyof typeof kinds, call: number, ...parts: Uint8Array[]): Uint8Array[] {
  let bytes = 5;
  for (const part of parts) bytes += part.length;
  const head = Buffer.allocUnsafe(headBytes);
  head.writeUInt32LE(bytes, 0);
  head[4] = kinds[kind];
  head.writeUInt32LE(call, 5);
  return [head, ...parts];
}

function bufferOf(bytes: Uint8Array, from: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, bytes.length - from);
}

function wordAt(bytes: Uint8Array, at: number): number {
  const upper = ((bytes[at + 3] as number) << 8) | (bytes[at + 2] as number);
  return ((upper << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at] as number)) >>> 0;
}

function unknownKind(kind: number): ConclaveError {
  return new ConclaveError('internal', `A call's message is of the unknown kind ${kind}.`);
}

/** Cuts a byte stream into the frames above, each with its head. */
export class CallSplitter {
  #held: Uint8Array = none;

  push(chunk: Uint8Array, take: (frame: Uint8Array) => void): void {
    const whole = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let at = 0;
    while (whole.length - at >= headBytes) {
      const end = at + 4 + wordAt(whole, at);
      if (end > whole.length) break;
      take(whole.subarray(at, end));
      at = end;
    }
    this.#held = at === whole.length ? none : whole.subarray(at);
  }
}
