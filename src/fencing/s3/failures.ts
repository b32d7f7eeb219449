/** What an answer of S3 that is no success means for a write. */
import { ConclaveError, type ErrorOutcome } from '../../errors/index.ts';

interface Failure {
  readonly name: string;
  readonly status: number | undefined;
  /** How often the SDK itself sent the request. */
  readonly attempts: number;
  readonly message: string;
}

function describe(error: unknown): Failure {
  const { name, message, $metadata } = (error ?? {}) as {
    name?: unknown;
    message?: unknown;
    $metadata?: { httpStatusCode?: unknown; attempts?: unknown };
  };
  const status = $metadata?.httpStatusCode;
  const attempts = $metadata?.attempts;
  return {
    name: typeof name === 'string' ? name : '',
    message: typeof message === 'string' && message !== '' ? message : String(name ?? error),
    status: typeof status === 'number' ? status : undefined,
    attempts: typeof attempts === 'number' ? attempts : 1,
  };
}

/** The object does not exist; false where the bucket does not. */
export function isAbsent(error: unknown): boolean {
  const { name, status } = describe(error);
  return name !== 'NoSuchBucket' && (name === 'NoSuchKey' || name === 'NotFound' || status === 404);
}

/**
 * The store refused a conditional write: 412 or 404 for another ETag or none, 409 for another write under way.
 * 'unclear': the SDK had sent the request before, so the other write may be its own.
 */
export function refusedSwap(error: unknown): 'refused' | 'unclear' | undefined {
  const { status, attempts } = describe(error);
  if (status !== 412 && status !== 409 && !(status === 404 && isAbsent(error))) return undefined;
  return attempts > 1 ? 'unclear' : 'refused';
}

export function failure(
  what: string,
  error: unknown,
  kind: 'read' | 'write',
  signal: AbortSignal | undefined,
): ConclaveError {
  if (ConclaveError.is(error)) return error;
  const { name, status, attempts, message } = describe(error);
  const unknown: ErrorOutcome = kind === 'write' ? 'unknown' : 'not-applied';
  if (signal?.aborted) {
    return new ConclaveError('aborted', `${what} was aborted by its signal.`, {
      outcome: unknown,
      cause: signal.reason,
    });
  }
  const said = `${what} failed: ${message}`;
  const refused = attempts > 1 ? unknown : 'not-applied';
  if (name === 'NoSuchBucket')
    return new ConclaveError('not-found', said, { outcome: refused, cause: error });
  if (status === 501) {
    const advice = `${said}. This store does not offer conditional writes, so it cannot fence.`;
    return new ConclaveError('unsupported', advice, { outcome: refused, cause: error });
  }
  const overloaded = status === 429 || status === 503;
  if (status !== undefined && status >= 400 && status < 500 && status !== 408 && !overloaded) {
    return new ConclaveError('failed-precondition', said, { outcome: refused, cause: error });
  }
  const timedOut = status === 408 || name === 'TimeoutError';
  return new ConclaveError(timedOut ? 'timeout' : 'unavailable', said, {
    outcome: unknown,
    retryable: true,
    cause: error,
  });
}
