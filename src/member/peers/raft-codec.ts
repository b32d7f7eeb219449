import { ConclaveError } from '../../errors/index.ts';
import type { Entry, EntryKind, RaftMessage } from '../../raft/index.ts';
import { FrameReader, FrameWriter } from './bytes.ts';
import { frameHeadBytes, frameKinds, writeFrameHead } from './frames.ts';

const messageTypes = [
  'pre-vote',
  'vote',
  'pre-vote-response',
  'vote-response',
  'append',
  'append-response',
  'heartbeat',
  'heartbeat-response',
  'timeout-now',
  'read-index',
  'read-index-response',
] as const satisfies readonly RaftMessage['type'][];
const typeNumbers = new Map<RaftMessage['type'], number>(messageTypes.map((type, number) => [type, number]));
/** Of each type, without the entries of an append. */
const fixedBytes: Record<RaftMessage['type'], number> = {
  'pre-vote': 43,
  vote: 43,
  'pre-vote-response': 26,
  'vote-response': 26,
  append: 77,
  'append-response': 74,
  heartbeat: 66,
  'heartbeat-response': 49,
  'timeout-now': 25,
  'read-index': 33,
  'read-index-response': 42,
};
const entryKinds = ['command', 'empty', 'configuration'] as const satisfies readonly EntryKind[];
const kindNumbers: Record<EntryKind, number> = { command: 0, empty: 1, configuration: 2 };

/** A whole frame, in one piece of memory. */
export function encodeRaftFrame(message: RaftMessage): Uint8Array {
  const writer = new FrameWriter(frameHeadBytes + sizeOf(message)).skip(frameHeadBytes);
  writeRaftMessage(writer, message);
  const { writtenBytes } = writer;
  writeFrameHead(writer.at(0), frameKinds.raft, message.group, writtenBytes - frameHeadBytes);
  return writer.at(writtenBytes).finish();
}

/** The payload alone. The group travels in the frame's head, so that a frame can be routed without being decoded. */
export function encodeRaftMessage(message: RaftMessage): Uint8Array {
  const writer = new FrameWriter(sizeOf(message));
  writeRaftMessage(writer, message);
  return writer.finish();
}

/** What a message takes: a writer with just so much room needs neither to grow nor to cut off the rest. */
function sizeOf(message: RaftMessage): number {
  const bytes = fixedBytes[message.type];
  return message.type === 'append' ? bytes + entriesBytes(message.entries) : bytes;
}

function writeRaftMessage(writer: FrameWriter, message: RaftMessage): void {
  const number = typeNumbers.get(message.type);
  if (number === undefined) throw new ConclaveError('internal', `Unknown Raft message type ${message.type}.`);
  writer.u8(number).u53(message.from).u53(message.to).u53(message.term);
  switch (message.type) {
    case 'pre-vote':
    case 'vote':
      writer.u53(message.lastIndex).u53(message.lastTerm).boolean(message.transfer).boolean(message.hinted);
      break;
    case 'pre-vote-response':
    case 'vote-response':
      writer.boolean(message.granted);
      break;
    case 'append':
      writer.u53(message.previousIndex).u53(message.previousTerm).u53(message.commitIndex);
      writer.u53(message.session).u53(message.readContext).f64(message.sentAtMs);
      writeEntries(writer, message.entries);
      break;
    case 'append-response':
      writer.boolean(message.accepted).u53(message.matchIndex).u53(message.hintIndex).u53(message.hintTerm);
      writer.u53(message.session).u53(message.readContext).f64(message.sentAtMs);
      break;
    case 'heartbeat':
      writer.u53(message.commitIndex).u53(message.session).u53(message.readContext);
      writer.f64(message.sentAtMs).f64(message.roundTripMs).boolean(message.wantsAnswer);
      break;
    case 'heartbeat-response':
      writer.u53(message.session).u53(message.readContext).f64(message.sentAtMs);
      break;
    case 'timeout-now':
      break;
    case 'read-index':
      writer.u53(message.readContext);
      break;
    case 'read-index-response':
      writer.u53(message.readContext).u53(message.index).boolean(message.ok);
      break;
  }
}

function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += 13 + entry.data.length;
  return bytes;
}

function writeEntries(writer: FrameWriter, entries: readonly Entry[]): void {
  writer.u32(entries.length);
  for (const entry of entries) writer.u53(entry.term).u8(kindNumbers[entry.kind]).bytes(entry.data);
}

const noData = new Uint8Array(0);

function readEntries(reader: FrameReader, previousIndex: number, withData: boolean): Entry[] {
  const count = reader.u32();
  const entries: Entry[] = [];
  for (let position = 0; position < count; position++) {
    const term = reader.u53();
    const kind = entryKinds[reader.u8()];
    if (kind === undefined)
      throw new ConclaveError('invalid-argument', 'A peer frame carries an unknown entry kind.');
    let data: Uint8Array = noData;
    // Copied: the log keeps it for long, and a view would pin the whole chunk that the socket read.
    if (withData) data = reader.copiedBytes();
    else reader.skipBytes();
    entries.push({ index: previousIndex + 1 + position, term, kind, data });
  }
  return entries;
}

export interface RaftPayload {
  /** The payload begins here. Default 0. */
  readonly start?: number;
  /** Default: where the data ends. */
  readonly end?: number;
  /** False: entries come with empty data, for those who only look at messages. Default true. */
  readonly withData?: boolean;
}

/** @throws ConclaveError 'invalid-argument' on malformed input. */
export function decodeRaftMessage(group: number, data: Uint8Array, where: RaftPayload = {}): RaftMessage {
  const reader = new FrameReader(data, where.start, where.end);
  const type = messageTypes[reader.u8()];
  if (type === undefined)
    throw new ConclaveError('invalid-argument', 'A peer frame carries an unknown Raft message type.');
  // Written out for each type: an object that begins with a spread costs several times as much.
  const from = reader.u53();
  const to = reader.u53();
  const term = reader.u53();
  switch (type) {
    case 'pre-vote':
    case 'vote':
      return {
        group,
        from,
        to,
        term,
        type,
        lastIndex: reader.u53(),
        lastTerm: reader.u53(),
        transfer: reader.boolean(),
        hinted: reader.boolean(),
      };
    case 'pre-vote-response':
    case 'vote-response':
      return { group, from, to, term, type, granted: reader.boolean() };
    case 'append': {
      const previousIndex = reader.u53();
      const previousTerm = reader.u53();
      const commitIndex = reader.u53();
      const session = reader.u53();
      const readContext = reader.u53();
      const sentAtMs = reader.f64();
      return {
        group,
        from,
        to,
        term,
        type,
        previousIndex,
        previousTerm,
        commitIndex,
        session,
        readContext,
        sentAtMs,
        entries: readEntries(reader, previousIndex, where.withData ?? true),
      };
    }
    case 'append-response':
      return {
        group,
        from,
        to,
        term,
        type,
        accepted: reader.boolean(),
        matchIndex: reader.u53(),
        hintIndex: reader.u53(),
        hintTerm: reader.u53(),
        session: reader.u53(),
        readContext: reader.u53(),
        sentAtMs: reader.f64(),
      };
    case 'heartbeat':
      return {
        group,
        from,
        to,
        term,
        type,
        commitIndex: reader.u53(),
        session: reader.u53(),
        readContext: reader.u53(),
        sentAtMs: reader.f64(),
        roundTripMs: reader.f64(),
        wantsAnswer: reader.boolean(),
      };
    case 'heartbeat-response':
      return {
        group,
        from,
        to,
        term,
        type,
        session: reader.u53(),
        readContext: reader.u53(),
        sentAtMs: reader.f64(),
      };
    case 'timeout-now':
      return { group, from, to, term, type };
    case 'read-index':
      return { group, from, to, term, type, readContext: reader.u53() };
    case 'read-index-response':
      return {
        group,
        from,
        to,
        term,
        type,
        readContext: reader.u53(),
        index: reader.u53(),
        ok: reader.boolean(),
      };
  }
}
