/** The documents' content: JSON that a person can read in any tool of the service. */
import { ConclaveError } from '../../errors/index.ts';
import type { DocumentKey } from './driver.ts';

export interface Leading {
  readonly session: string;
  readonly holder: string;
  readonly token: number;
  readonly metadata: string;
  /** As the place's. */
  readonly key?: string | undefined;
}

export interface Place {
  readonly session: string;
  readonly holder: string;
  readonly metadata: string;
  readonly priority: number;
  /** The document's version when it came. */
  readonly order: number;
  /** The public key of its process, where proofs are needed. */
  readonly key?: string | undefined;
}

export interface ElectionDocument {
  /** Rises with each write. A leadership's token is the version that made it. */
  readonly version: number;
  readonly leader: Leading | undefined;
  /** In the order in which they would lead. */
  readonly waiting: readonly Place[];
  readonly record: { readonly base64: string; readonly keepMs: number | undefined } | undefined;
}

export interface SessionDocument {
  readonly holder: string;
  readonly ttlMs: number;
  /** Rises with each renewal, so that the content is another each time. */
  readonly renewals: number;
  /** Of one that is bound to a connection. */
  readonly bond?: BondMark | undefined;
}

export interface BondMark {
  readonly mark: string;
  readonly graceMs: number;
}

export interface CounterDocument {
  readonly generation: number;
}

/** What is written beside the content: which program and format, and which write it was. */
interface Envelope {
  readonly conclave: 1;
  readonly write: string;
}

export const nothingYet: ElectionDocument = {
  version: 0,
  leader: undefined,
  waiting: [],
  record: undefined,
};

/** `write` is unique for each attempt, so that services whose versions come from the content tell two apart. */
export function encodeDocument(
  document: ElectionDocument | SessionDocument | CounterDocument,
  write: string,
): string {
  const envelope: Envelope = { conclave: 1, write };
  return JSON.stringify({ ...envelope, ...document });
}

/** @throws 'data-incompatible' for what another program, or a newer Conclave, wrote there. */
export function decodeElection(text: string, where: string): ElectionDocument {
  const { version, leader, waiting = [], record } = decode(text, where) as unknown as ElectionDocument;
  if (!Number.isSafeInteger(version) || !Array.isArray(waiting)) throw foreign(where);
  return { version, leader, waiting, record };
}

export function decodeSession(text: string, where: string): SessionDocument {
  const { holder, ttlMs, renewals, bond } = decode(text, where) as unknown as SessionDocument;
  if (typeof holder !== 'string' || !(ttlMs > 0) || !Number.isSafeInteger(renewals)) throw foreign(where);
  if (bond !== undefined && (typeof bond.mark !== 'string' || !(bond.graceMs >= 0))) throw foreign(where);
  return { holder, ttlMs, renewals, bond };
}

export function decodeCounter(text: string, where: string): CounterDocument {
  const { generation } = decode(text, where) as unknown as CounterDocument;
  if (!Number.isSafeInteger(generation)) throw foreign(where);
  return { generation };
}

function decode(text: string, where: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw foreign(where, cause);
  }
  if (typeof parsed !== 'object' || parsed === null || !('conclave' in parsed)) throw foreign(where);
  if (parsed.conclave === 1) return parsed as Record<string, unknown>;
  throw new ConclaveError(
    'data-incompatible',
    `${where} has format ${JSON.stringify(parsed.conclave)}, which this release does not know: use the release that wrote it, or a newer one.`,
  );
}

function foreign(where: string, cause?: unknown): ConclaveError {
  return new ConclaveError(
    'data-incompatible',
    `${where} was not written by Conclave, and is left as it is: give the store another table, bucket, prefix, path or namespace, whichever of them it takes.`,
    { cause },
  );
}

/** For messages. */
export function place(description: string, { kind, name }: DocumentKey): string {
  if (kind === 'counter') return `The counter of tokens in ${description}`;
  return `The document of ${kind} ${JSON.stringify(name)} in ${description}`;
}
