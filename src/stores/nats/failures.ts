/** What an error of the packages means. Told apart by name and code, so that a second copy of them does no harm. */
import { ConclaveError, type ErrorOutcome } from '../../errors/index.ts';

const codes = {
  wrongLastSequence: [10_071, 10_164],
  noStream: 10_059,
  jetStreamOff: [10_039, 10_076],
  replicasNeedCluster: 10_074,
} as const;

interface Described {
  readonly name: string;
  readonly message: string;
  readonly code: number;
  readonly status: number;
  readonly operation?: unknown;
  readonly subject?: unknown;
}

export function isConflict(error: unknown): boolean {
  return codes.wrongLastSequence.includes(describe(error).code as 10_071);
}

/** There is no such bucket. */
export function isMissing(error: unknown): boolean {
  return describe(error).code === codes.noStream;
}

export function isLoginError(error: unknown): boolean {
  return /Authorization|AuthenticationExpired/.test(describe(error).name);
}

export interface FailureContext {
  readonly bucket: string;
  /** Where no answer came. */
  readonly outcome: ErrorOutcome;
  /** The first request of all: what is not there now was never there. */
  readonly opening: boolean;
  /** As of a driver. */
  readonly whyNoAnswer?: string | undefined;
}

export function explained(
  what: string,
  error: unknown,
  { bucket, outcome, opening, whyNoAnswer }: FailureContext,
): ConclaveError {
  if (ConclaveError.is(error)) return error;
  const { name, message, code, status, operation, subject } = describe(error);
  const said = `${what}: ${message || name}`;
  const mend = (advice: string) =>
    new ConclaveError('failed-precondition', `${said}. ${advice}`, { cause: error });
  const unavailable = (certain: ErrorOutcome, message = said) =>
    new ConclaveError('unavailable', message, { cause: error, retryable: true, outcome: certain });
  if (code === codes.noStream) {
    return mend(
      `Make the bucket: conclave migrate, createNatsBucket, or "nats kv add ${bucket} --storage file --replicas 3" (1 for a single server).`,
    );
  }
  if (code === codes.replicasNeedCluster) {
    return mend('A single server keeps one replica: replicas: 1, or --replicas 1.');
  }
  if (isLoginError(error)) {
    return mend(
      'Check user and password, token or key: of the connection, in the url, or in NATS_USER and NATS_PASSWORD, NATS_TOKEN, NATS_CREDS or NATS_NKEY, which openStore and the commands read.',
    );
  }
  if (/does not support 'tls'/.test(message)) {
    return mend('Nothing was sent to it. Give it a certificate, or write nats://, which does without TLS.');
  }
  if (/certificate/.test(message)) {
    return mend('Name the authority that signed it in NODE_EXTRA_CA_CERTS, or hand the store a connection.');
  }
  if (name === 'PermissionViolationError') {
    const right = operation === 'publish' ? 'publish to' : 'subscribe to';
    return mend(`Grant the user the right to ${right} ${toGrant(String(subject), bucket)}.`);
  }
  if (codes.jetStreamOff.includes(code as 10_039) || (opening && name === 'JetStreamNotEnabled')) {
    return mend('Start the servers with JetStream (nats-server -js), and enable it for the account.');
  }
  if (name === 'JetStreamNotEnabled' || name === 'NoRespondersError') {
    // Nobody was there to take it. The package says of all writes then that JetStream is not enabled.
    const message = `${what}: no server answers for it: it has no leader now, or was deleted (make it: conclave migrate), or JetStream was turned off.`;
    return unavailable('not-applied', message);
  }
  if (name === 'ClosedConnectionError' || name === 'DrainingConnectionError') {
    return mend(
      'The connection is closed: keep it open while the store is in use, and connect with maxReconnectAttempts: -1 and ignoreAuthErrorAbort: true.',
    );
  }
  if (name === 'TimeoutError') {
    const message = whyNoAnswer === undefined ? said : `${said}: ${whyNoAnswer}.`;
    return new ConclaveError('timeout', message, { cause: error, retryable: true, outcome });
  }
  if (/max_payload/.test(message)) return new ConclaveError('too-large', said, { cause: error });
  if (name !== 'JetStreamApiError') return unavailable(outcome);
  // The stream's leader refused it, and may take it later where it is short of something.
  const isPassing = opening ? status === 503 : status >= 500;
  return isPassing
    ? unavailable('not-applied')
    : mend('Look at the bucket, the servers and the limits of the account.');
}

/** The refused subject is of one key, consumer or inbox: with the right to that alone the next one would be refused. */
function toGrant(subject: string, bucket: string): string {
  if (subject.startsWith(`$KV.${bucket}.`)) return `$KV.${bucket}.>`;
  const [consumers] = /^\$JS\.API\.CONSUMER\.(?:CREATE|DELETE)\.KV_[\w-]+(?=\.)/.exec(subject) ?? [];
  return consumers === undefined ? subject.replace(/^_INBOX\..*/, '_INBOX.>') : `${consumers}.>`;
}

function describe(error: unknown): Described {
  const { name, message, code, status, operation, subject, cause } = (error ?? {}) as Record<string, unknown>;
  if (name === 'RequestError' && cause instanceof Error) return describe(cause);
  return {
    name: typeof name === 'string' ? name : '',
    message: typeof message === 'string' ? message : String(error),
    code: typeof code === 'number' ? code : 0,
    status: typeof status === 'number' ? status : 0,
    operation,
    subject,
  };
}
