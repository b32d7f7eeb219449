import { ConclaveError } from '../errors/index.ts';
import {
  decodeConfiguration,
  encodeConfiguration,
  InvariantViolation,
  type SnapshotMeta,
} from '../raft/index.ts';
import { FrameReader, FrameWriter } from './peers/bytes.ts';

export interface SnapshotChunk {
  /** The leader's session with the follower, and its term: what the core checks on arrival. */
  readonly session: number;
  readonly term: number;
  readonly meta: SnapshotMeta;
  /** From 0, by one. */
  readonly sequence: number;
  readonly last: boolean;
  readonly data: Uint8Array;
}

/** The follower has taken in the chunk: the sender keeps a bounded number of them on the way. */
export interface SnapshotAcknowledgement {
  readonly session: number;
  readonly sequence: number;
  /** False: the follower cannot or need not take this snapshot; stop. */
  readonly ok: boolean;
}

export function encodeSnapshotChunk(chunk: SnapshotChunk): Uint8Array {
  const configuration = encodeConfiguration(chunk.meta.configuration);
  const writer = new FrameWriter(96 + configuration.length + chunk.data.length);
  writer.u53(chunk.session).u53(chunk.term).u53(chunk.meta.index).u53(chunk.meta.term).bytes(configuration);
  return writer.u53(chunk.sequence).boolean(chunk.last).bytes(chunk.data).finish();
}

/** @throws ConclaveError 'invalid-argument' on malformed input. */
export function decodeSnapshotChunk(payload: Uint8Array): SnapshotChunk {
  const reader = new FrameReader(payload);
  const session = reader.u53();
  const term = reader.u53();
  const index = reader.u53();
  const snapshotTerm = reader.u53();
  const configuration = decoded(reader.bytes());
  return {
    session,
    term,
    meta: { index, term: snapshotTerm, configuration },
    sequence: reader.u53(),
    last: reader.boolean(),
    data: reader.bytes().slice(),
  };
}

function decoded(configuration: Uint8Array): SnapshotMeta['configuration'] {
  try {
    return decodeConfiguration(configuration);
  } catch (error) {
    // The sender's mistake, not a state of ours.
    if (error instanceof InvariantViolation)
      throw new ConclaveError('invalid-argument', error.message, { cause: error });
    throw error;
  }
}

export function encodeSnapshotAcknowledgement(acknowledgement: SnapshotAcknowledgement): Uint8Array {
  return new FrameWriter(24)
    .u53(acknowledgement.session)
    .u53(acknowledgement.sequence)
    .boolean(acknowledgement.ok)
    .finish();
}

export function decodeSnapshotAcknowledgement(payload: Uint8Array): SnapshotAcknowledgement {
  const reader = new FrameReader(payload);
  return { session: reader.u53(), sequence: reader.u53(), ok: reader.boolean() };
}
