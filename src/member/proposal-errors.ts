import { ConclaveError, type ErrorOutcome } from '../errors/index.ts';

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
    { retryable: true, outcome: 'unknown' },
  );
}

export function timedOut(leaderKnown: boolean, outcome: ErrorOutcome): ConclaveError {
  if (!leaderKnown)
    return new ConclaveError('no-leader', 'No Raft leader was found in time.', { retryable: true, outcome });
  return new ConclaveError('timeout', 'The command was not acknowledged in time.', {
    retryable: true,
    outcome,
  });
}
