/** How the renewal of a lease fails, over whatever stream. */
import { ConclaveError } from '../errors/index.ts';

const finalCodes: ReadonlySet<string> = new Set([
  'unsupported',
  'invalid-argument',
  'too-large',
  'internal',
  'closed',
  'unauthenticated',
  'permission-denied',
]);

/** No other endpoint would answer otherwise. */
export function isFinal(error: ConclaveError): boolean {
  return !error.retryable && finalCodes.has(error.code);
}

/** `by`: who should have. */
export function timedOut(timeoutMs: number, by: string): ConclaveError {
  const message = `The lease was not renewed within ${Math.round(timeoutMs)} ms by ${by}.`;
  return new ConclaveError('timeout', message, { retryable: true, outcome: 'unknown' });
}

export function aborted(signal: AbortSignal | undefined): ConclaveError {
  return new ConclaveError('aborted', 'Renewing a lease was aborted by its signal.', {
    outcome: 'unknown',
    cause: signal?.reason,
  });
}
