/** What the stores on Amazon's services have in common: the meaning of the SDK's errors above all. */
import { ConclaveError, type ErrorOutcome } from '../errors/index.ts';

export interface AwsFailure {
  readonly name: string;
  /** Of the answer; undefined where none came. */
  readonly status: number | undefined;
  /** How often the SDK sent the request. */
  readonly attempts: number;
  readonly message: string;
}

export interface AwsCall {
  /** What was tried, and where: "Writing in DynamoDB table conclave". */
  readonly what: string;
  readonly changes: boolean;
  readonly signal: AbortSignal;
  /** What an administrator must allow. */
  readonly permissions: string;
}

const overloaded = new Set([
  ...['ProvisionedThroughputExceededException', 'ThrottlingException', 'Throttling', 'RequestLimitExceeded'],
  ...['TransactionConflictException', 'TransactionInProgressException', 'ReplicatedWriteConflictException'],
  ...['SlowDown', 'ConditionalRequestConflict', 'OperationAborted', 'TooManyRequestsException'],
]);

const unknownCaller = new Set([
  ...['UnrecognizedClientException', 'InvalidSignatureException', 'IncompleteSignatureException'],
  ...['MissingAuthenticationTokenException', 'InvalidClientTokenId', 'ExpiredTokenException', 'ExpiredToken'],
  ...['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'InvalidToken', 'AuthorizationHeaderMalformed'],
  ...['CredentialsProviderError', 'TokenProviderError', 'ProviderError', 'MissingAuthenticationToken'],
]);

export function describeFailure(error: unknown): AwsFailure {
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

/** What is the same for all services; what is particular to one is looked at before. */
export function awsError(error: unknown, { what, changes, signal, permissions }: AwsCall): ConclaveError {
  if (ConclaveError.is(error)) return error;
  const { name, status, attempts, message } = describeFailure(error);
  const unknown: ErrorOutcome = changes ? 'unknown' : 'not-applied';
  if (signal.aborted) {
    return new ConclaveError('aborted', `${what} was aborted.`, { outcome: unknown, cause: error });
  }
  // A request that the SDK had sent before may have been carried out then.
  const refused = attempts > 1 ? unknown : 'not-applied';
  if (unknownCaller.has(name)) {
    // Not the service's own words: some repeat parts of what was signed.
    const advice = `${what}: the service does not accept the credentials (${name}). Give the client valid ones, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the right region.`;
    return new ConclaveError('failed-precondition', advice, { outcome: refused, cause: error });
  }
  const said = `${what} failed: ${message}`;
  if (overloaded.has(name) || status === 429) {
    return new ConclaveError('unavailable', said, { outcome: refused, retryable: true, cause: error });
  }
  if (status === 403 || name === 'AccessDeniedException' || name === 'AccessDenied') {
    const advice = `${what} is not allowed: grant ${permissions} (${message})`;
    return new ConclaveError('failed-precondition', advice, { outcome: refused, cause: error });
  }
  if (status !== undefined && status >= 400 && status < 500 && status !== 408) {
    return new ConclaveError('failed-precondition', said, { outcome: refused, cause: error });
  }
  const timedOut = status === 408 || name === 'TimeoutError';
  return new ConclaveError(timedOut ? 'timeout' : 'unavailable', said, {
    ...{ outcome: unknown, retryable: true, cause: error },
  });
}
