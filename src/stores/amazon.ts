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

interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

interface AwsClient {
  readonly config: { readonly credentials: () => Promise<AwsKeys> };
  destroy(): void;
}

/**
 * A client of a store's own. The SDK reads a file of keys once in the life of a process: here it is read again when the
 * service has refused what stood in it, since operators replace keys there while processes run.
 */
export class OwnAwsClient<Client extends AwsClient> {
  readonly #make: () => Client;
  #current: Client;
  /** What was asked of them may not be answered yet. */
  readonly #replaced: Client[] = [];
  #looking: Promise<void> | undefined;
  #isClosed = false;

  /** `make`: with more settings, which the SDK hands on to what reads its files. */
  constructor(make: (more: { readonly ignoreCache: true }) => Client) {
    this.#make = () => make({ ignoreCache: true });
    this.#current = this.#make();
  }

  get client(): Client {
    return this.#current;
  }

  /** To be told of what calls fail with. */
  failed(error: unknown): void {
    if (!unknownCaller.has(describeFailure(error).name) || this.#isClosed) return;
    // Where it fails, the keys stay as they are.
    this.#looking ??= this.#lookAgain()
      .catch(() => {})
      .finally(() => {
        this.#looking = undefined;
      });
  }

  close(): void {
    this.#isClosed = true;
    for (const client of [this.#current, ...this.#replaced]) client.destroy();
  }

  async #lookAgain(): Promise<void> {
    const next = this.#make();
    if ((await textOfKeys(next)) === (await textOfKeys(this.#current)) || this.#isClosed)
      return next.destroy();
    this.#replaced.push(this.#current);
    this.#current = next;
  }
}

/** Also of a client that finds none. */
async function textOfKeys({ config }: AwsClient): Promise<string> {
  const none = { accessKeyId: '', secretAccessKey: '', sessionToken: '' };
  const { accessKeyId, secretAccessKey, sessionToken } = await config.credentials().catch(() => none);
  return JSON.stringify([accessKeyId, secretAccessKey, sessionToken]);
}
