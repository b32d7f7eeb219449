import { ConclaveError, type ErrorOutcome } from '../errors/index.ts';
import type { Interruption } from './interruptions.ts';

/** How a proposal that gets no result ends, each with what is known of its outcome. */

export function stopping(outcome: ErrorOutcome): ConclaveError {
  return new ConclaveError('closed', 'The member is stopping; ask another one.', {
    retryable: true,
    outcome,
  });
}

export function tooLarge(sizeBytes: number, mostBytes: number): ConclaveError {
  return new ConclaveError(
    'too-large',
    `The command has ${sizeBytes} bytes; at most ${mostBytes} are taken. Divide it.`,
  );
}

export function notUnderstood(outcome: ErrorOutcome): ConclaveError {
  const message =
    'The Raft leader cannot read this command: it runs an older release than this member. Install this one there, too.';
  return new ConclaveError('unsupported', message, { outcome });
}

export function resultTooLarge(): ConclaveError {
  const message =
    'The command was applied, and its result is more than members send each other. Read less in one transaction.';
  return new ConclaveError('too-large', message, { outcome: 'unknown', details: { what: 'result' } });
}

export function tooManyHere(): ConclaveError {
  return new ConclaveError(
    'too-many-requests',
    'This member has too many bytes of commands under way; slow down and try again.',
    { retryable: true },
  );
}

export function tooMany(outcome: ErrorOutcome): ConclaveError {
  return new ConclaveError(
    'too-many-requests',
    'The Raft leader has too many uncommitted bytes; slow down and try again.',
    { retryable: true, outcome },
  );
}

export function unknownOutcome(): ConclaveError {
  return new ConclaveError(
    'unavailable',
    'The Raft leader changed while the command was under way; it may have been applied.',
    { retryable: true, outcome: 'unknown', details: { interruption: 'leader-changed' } },
  );
}

function leaderless(outcome: ErrorOutcome): ConclaveError {
  return new ConclaveError('no-leader', 'No Raft leader was found in time.', { retryable: true, outcome });
}

export function readTimedOut(waitedForLeader: boolean): ConclaveError {
  if (waitedForLeader) return leaderless('not-applied');
  return new ConclaveError('timeout', 'The read was not confirmed by a quorum in time.', { retryable: true });
}

const whys: Readonly<Record<Interruption, string>> = {
  'leader-failure': '; the Raft leader changed meanwhile',
  'connection-lost': '; the connection to the Raft leader, or to a majority, broke meanwhile',
};

/** `interruption`: what came between, as far as this member saw. */
export function timedOut(
  leaderKnown: boolean,
  outcome: ErrorOutcome,
  interruption?: Interruption,
): ConclaveError {
  if (!leaderKnown) return leaderless(outcome);
  const why = interruption === undefined ? '' : whys[interruption];
  return new ConclaveError('timeout', `The command was not acknowledged in time${why}.`, {
    retryable: true,
    outcome,
    details: interruption === undefined ? {} : { interruption },
  });
}
