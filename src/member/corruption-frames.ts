import { FrameReader, FrameWriter } from './peers/bytes.ts';

/** What one member asks another: the hash of everything up to a revision. */
export interface HashQuestion {
  readonly questionId: number;
  readonly revision: number;
  /** Of the asker. Where the other stands at the same one, their whole states can be compared. */
  readonly appliedIndex: number;
}

export interface HashAnswer {
  readonly questionId: number;
  /** 'behind': asked too early; 'compacted': too late. */
  readonly outcome: 'hash' | 'behind' | 'compacted';
  readonly hash: number;
  readonly compactRevision: number;
  /** Of the whole state, leases and all; undefined where it stands at another index, or is too large to walk. */
  readonly stateHash: number | undefined;
}

const outcomes = ['hash', 'behind', 'compacted'] as const;

export function encodeHashQuestion({ questionId, revision, appliedIndex }: HashQuestion): Uint8Array {
  return new FrameWriter(32).u53(questionId).u53(revision).u53(appliedIndex).finish();
}

/** @throws ConclaveError 'invalid-argument' on malformed input. */
export function decodeHashQuestion(payload: Uint8Array): HashQuestion {
  const reader = new FrameReader(payload);
  return { questionId: reader.u53(), revision: reader.u53(), appliedIndex: reader.u53() };
}

export function encodeHashAnswer(answer: HashAnswer): Uint8Array {
  return new FrameWriter(40)
    .u53(answer.questionId)
    .u8(outcomes.indexOf(answer.outcome))
    .u32(answer.hash)
    .u53(answer.compactRevision)
    .boolean(answer.stateHash !== undefined)
    .u32(answer.stateHash ?? 0)
    .finish();
}

/** @throws ConclaveError 'invalid-argument' on malformed input. */
export function decodeHashAnswer(payload: Uint8Array): HashAnswer {
  const reader = new FrameReader(payload);
  const questionId = reader.u53();
  const outcome = outcomes[reader.u8()] ?? 'behind';
  const [hash, compactRevision] = [reader.u32(), reader.u53()];
  const hasState = reader.boolean();
  const stateHash = reader.u32();
  return { questionId, outcome, hash, compactRevision, stateHash: hasState ? stateHash : undefined };
}
