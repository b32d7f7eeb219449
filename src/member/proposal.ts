import type { Bagged } from '../collections/index.ts';
import { ConclaveError, type ErrorOutcome } from '../errors/index.ts';
import {
  type Command,
  type CommandAuthor,
  type CommandIdentity,
  type CommandResult,
  encodeSubmittedCommand,
} from '../keyspace/index.ts';

/** A command on its way to the Raft leader and back. */
export interface Proposal extends Bagged {
  readonly command: Command;
  readonly author: CommandAuthor | undefined;
  readonly deadlineMs: number;
  readonly resolve: (result: CommandResult) => void;
  readonly reject: (error: ConclaveError) => void;
  /** Stops listening to the caller's signal. */
  forget: (() => void) | undefined;
  /** The caller's own: never replaced by ours. */
  readonly foreignIdentity: boolean;
  identity: CommandIdentity | undefined;
  encoded: Uint8Array | undefined;
  readonly sizeBytes: number;
  /** The member that was asked and has not answered; 0: none. */
  askedLeader: number;
  askedAtMs: number;
  requestId: number;
  /** It was handed to this member's own log, and what became of it there is not known yet. */
  submittedHere: boolean;
  /** Of `Interruptions`: when it began. */
  readonly moment: number;
  /** What the leader answered, while what it came of is not applied here. */
  result: CommandResult | undefined;
  /** An attempt may have reached a log: from now on only the same identity may be tried again. */
  ambiguous: boolean;
  over: boolean;
}

type Given = Pick<
  Proposal,
  'command' | 'author' | 'deadlineMs' | 'identity' | 'moment' | 'resolve' | 'reject'
> & { readonly encoded: Uint8Array };

export function newProposal(given: Given): Proposal {
  const { command, author, deadlineMs, identity, encoded, moment, resolve, reject } = given;
  return {
    command,
    author,
    deadlineMs,
    resolve,
    reject,
    forget: undefined,
    foreignIdentity: identity !== undefined,
    identity,
    encoded,
    sizeBytes: encoded.length,
    askedLeader: 0,
    askedAtMs: 0,
    requestId: 0,
    submittedHere: false,
    moment,
    result: undefined,
    ambiguous: false,
    over: false,
    bagPosition: -1,
  };
}

/** @throws ConclaveError 'invalid-argument' where no log could carry it. */
export function encode(
  command: Command,
  identity: CommandIdentity | undefined,
  author: CommandAuthor | undefined,
): Uint8Array {
  let encoded: Uint8Array;
  try {
    encoded = encodeSubmittedCommand({ command, identity, author });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConclaveError('invalid-argument', `The command cannot be encoded: ${reason}`, { cause: error });
  }
  return encoded;
}

/** What can be said of a proposal that is given up now: in a log, ours or another's, it may yet be applied. */
export function outcomeOf(proposal: Proposal): ErrorOutcome {
  const underWay = proposal.askedLeader !== 0 || proposal.submittedHere || proposal.result !== undefined;
  const unknown = proposal.ambiguous || underWay;
  return unknown ? 'unknown' : 'not-applied';
}
