import { ConclaveError } from '../../errors/index.ts';
import { FrameReader, FrameWriter, wordAt } from './bytes.ts';

/**
 * Peer frames: u32 length of what follows, u8 kind, u53 group, payload. The first frame in each direction is the
 * greeting (group 0).
 */
export const frameKinds = {
  greeting: 1,
  refusal: 2,
  raft: 3,
  /** A request to the Raft leader: a proposal or a lease question. */
  request: 4,
  response: 5,
  snapshotChunk: 6,
  snapshotAcknowledgement: 8,
  /** Name and client URLs of the sender, sent after the greeting. */
  announcement: 7,
  /** One byte: 1 when the sender hears the receiver, 0 when it does not. Sent every so often on each connection. */
  alive: 9,
  /** A member asks for the hash of a state, and is told. */
  hashQuestion: 12,
  hashAnswer: 13,
  /** Instead of a greeting: who are the members? Answered by `members`, JSON. */
  membersWanted: 10,
  members: 11,
} as const;
export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds];

/** A frame within the chunk that it came in: its payload is data[start, end). */
export class Frame {
  readonly kind: number;
  readonly group: number;
  readonly data: Uint8Array;
  readonly start: number;
  readonly end: number;

  constructor(kind: number, group: number, data: Uint8Array, start: number, end: number) {
    this.kind = kind;
    this.group = group;
    this.data = data;
    this.start = start;
    this.end = end;
  }

  /** A view, made when asked for, since most frames are read where they lie. Copy what is kept. */
  get payload(): Uint8Array {
    return this.data.subarray(this.start, this.end);
  }
}

/** Raised when the meaning of a frame changes; members speak the lower version of the two that greet. */
export const protocolVersion = 1;
const mostPeerUrls = 100;
const refusalCodes: readonly RefusalCode[] = ['other', 'unknown', 'removed', 'lost-data'];
const magic = 0x434e_434c;
/** Above the largest append (1 MiB of entries, or one entry of its own size) and snapshot chunk. */
export const maxFrameBytes = 64 * 1024 * 1024;

export const frameHeadBytes = 13;

export function frameHead(kind: FrameKind, group: number, payloadBytes: number): Uint8Array {
  return writeFrameHead(new FrameWriter(frameHeadBytes), kind, group, payloadBytes).finish();
}

export function writeFrameHead(
  writer: FrameWriter,
  kind: FrameKind,
  group: number,
  payloadBytes: number,
): FrameWriter {
  return writer
    .u32(9 + payloadBytes)
    .u8(kind)
    .u53(group);
}

export interface Greeting {
  readonly version: number;
  readonly clusterId: number;
  readonly from: number;
  readonly to: number;
  /** The sender holds nothing yet: no vote and no entry. */
  readonly fresh: boolean;
  /** The index of the configuration that is in force for the sender. */
  readonly configurationIndex: number;
  /** Where the sender is reached: the receiver may not have heard of it. */
  readonly peerUrls: readonly string[];
}

export type SaidOfItself = Pick<Greeting, 'fresh' | 'configurationIndex' | 'peerUrls'>;

export type RefusalCode = 'other' | 'unknown' | 'removed' | 'lost-data';

/** Why a member is not let in; for people, and for the member itself. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly text: string;
}

/** Without what the sender says of itself it is as the first ones were. */
export function encodeGreeting(
  greeting: Omit<Greeting, keyof SaidOfItself> & Partial<SaidOfItself>,
): Uint8Array {
  const writer = new FrameWriter(64)
    .u32(magic)
    .u32(greeting.version)
    .u53(greeting.clusterId)
    .u53(greeting.from)
    .u53(greeting.to);
  const { fresh, configurationIndex, peerUrls } = greeting;
  if (fresh === undefined || configurationIndex === undefined || peerUrls === undefined)
    return writer.finish();
  writer.boolean(fresh).u53(configurationIndex).u32(peerUrls.length);
  for (const url of peerUrls) writer.text(url);
  return writer.finish();
}

export function decodeGreeting(payload: Uint8Array): Greeting {
  const reader = new FrameReader(payload);
  if (reader.u32() !== magic) {
    throw new ConclaveError('invalid-argument', 'What connected to the peer port is not a Conclave member.');
  }
  const [version, clusterId, from, to] = [reader.u32(), reader.u53(), reader.u53(), reader.u53()];
  const sender = { version, clusterId, from, to };
  // The first ones said no more of themselves.
  if (reader.remainingBytes === 0) return { ...sender, fresh: false, configurationIndex: 0, peerUrls: [] };
  const [fresh, configurationIndex] = [reader.boolean(), reader.u53()];
  const peerUrls = Array.from({ length: Math.min(reader.u32(), mostPeerUrls) }, () => reader.text());
  return { ...sender, fresh, configurationIndex, peerUrls };
}

/** The text, and behind it the code, which the first ones did not have. */
export function encodeRefusal({ code, text }: Refusal): Uint8Array {
  return Buffer.from(`${text}\0${code}`, 'utf8');
}

export function decodeRefusal(payload: Uint8Array): Refusal {
  const [text = '', code] = Buffer.from(payload).toString('utf8').split('\0');
  const known = refusalCodes.find((one) => one === code);
  return { code: known ?? 'other', text };
}

/** Cuts a byte stream into frames. */
export class FrameSplitter {
  /** Longer frames are refused by their length, before anything is kept of them. */
  maxBytes: number = maxFrameBytes;
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  /** Bytes needed before the next frame can be cut: saves joining chunks in vain. */
  private wantedBytes = 4;

  /** @throws ConclaveError 'invalid-argument' on a length out of bounds: the connection must be closed. */
  push(chunk: Uint8Array, deliver: (frame: Frame) => void): void {
    let whole = chunk;
    if (this.heldBytes + chunk.length < this.wantedBytes || this.heldBytes > 0) {
      this.held.push(chunk);
      this.heldBytes += chunk.length;
      if (this.heldBytes < this.wantedBytes) return;
      whole = Buffer.concat(this.held, this.heldBytes);
    }
    let offset = 0;
    this.wantedBytes = 4;
    while (whole.length - offset >= 4) {
      const length = wordAt(whole, offset);
      if (length < 9 || length > this.maxBytes) {
        throw new ConclaveError(
          'invalid-argument',
          `A peer frame of ${length} bytes is outside the bounds of 9 and ${this.maxBytes}.`,
        );
      }
      if (whole.length - offset < 4 + length) {
        this.wantedBytes = 4 + length;
        break;
      }
      const kind = whole[offset + 4] as number;
      const start = offset + frameHeadBytes;
      const frame = new Frame(kind, groupAt(whole, offset + 5), whole, start, offset + 4 + length);
      offset += 4 + length;
      deliver(frame);
    }
    this.heldBytes = whole.length - offset;
    // Setting a length costs, also where nothing is held.
    if (this.held.length > 0) this.held.length = 0;
    if (this.heldBytes > 0) this.held.push(whole.subarray(offset));
  }
}

function groupAt(bytes: Uint8Array, offset: number): number {
  const high = wordAt(bytes, offset + 4);
  if (high > 0x1f_ffff)
    throw new ConclaveError('invalid-argument', 'The group of a peer frame exceeds 2^53 - 1.');
  return high * 0x1_0000_0000 + wordAt(bytes, offset);
}
