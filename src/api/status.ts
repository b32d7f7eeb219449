import { ConclaveError, type ErrorCode, type ErrorOutcome } from '../errors/index.ts';
import type { CommandFailure } from '../keyspace/types.ts';
import { WireError } from '../wire/index.ts';
import { type StatusName, statusTexts } from './status-texts.ts';

/** gRPC's status codes, those that we answer. */
export const statusCodes = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  resourceExhausted: 8,
  permissionDenied: 7,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** What our own client needs to rebuild the ConclaveError; foreign clients do not see it. */
export interface ConclaveTrailers {
  readonly code: ErrorCode;
  readonly outcome: ErrorOutcome;
  readonly retryable: boolean;
}

/** Names of the trailers that carry ConclaveTrailers beside a gRPC status. */
export const trailerNames = {
  code: 'conclave-code',
  outcome: 'conclave-outcome',
  retryable: 'conclave-retryable',
} as const;

/** A failed call as every transport tells it: gRPC's code, etcd's text. Thrown by handlers, never outside the API. */
export class StatusError extends Error {
  readonly code: number;
  readonly conclave: ConclaveTrailers;

  constructor(code: number, message: string, conclave: ConclaveTrailers) {
    super(message);
    this.name = 'StatusError';
    this.code = code;
    this.conclave = conclave;
  }
}

const retryableNames: ReadonlySet<StatusName> = new Set([
  'authRevisionOld',
  'tooManyRequests',
  'noLeader',
  'notLeader',
  'stopped',
  'timeout',
  'transferTimeout',
  'notForLearner',
  'unhealthy',
  'learnerNotReady',
]);

/** Calls that are ended while somebody may still be at work on them: what they asked for may yet happen. */
const unsureNames: ReadonlySet<StatusName> = new Set(['cancelled', 'deadlineExceeded', 'stopped']);

/** The failure of that name. `text` replaces etcd's where there is more to say. */
export function failure(
  name: StatusName,
  options: { text?: string; outcome?: ErrorOutcome } = {},
): StatusError {
  const [code, text, conclaveCode] = statusTexts[name];
  return new StatusError(code, options.text ?? text, {
    code: conclaveCode,
    outcome: options.outcome ?? (unsureNames.has(name) ? 'unknown' : 'not-applied'),
    retryable: retryableNames.has(name),
  });
}

/**
 * etcd's Election and Lock services are clients of its others, and gRPC does not recognise a client's errors: their
 * texts stay, their codes become 'unknown'. Not so for what may pass, where clients go by the code to try again.
 */
export function asSeenThroughClient(error: unknown): StatusError {
  const status = toStatus(error);
  if (status.conclave.retryable || !status.message.startsWith('etcdserver: ')) return status;
  return new StatusError(statusCodes.unknown, status.message, status.conclave);
}

/** A request that makes no sense to our own service. */
export function invalidArgument(text: string): StatusError {
  return new StatusError(statusCodes.invalidArgument, text, {
    code: 'invalid-argument',
    outcome: 'not-applied',
    retryable: false,
  });
}

export function unimplemented(what: string): StatusError {
  return new StatusError(statusCodes.unimplemented, `conclave: ${what} is not offered by this server`, {
    code: 'unsupported',
    outcome: 'not-applied',
    retryable: false,
  });
}

const commandFailures: Readonly<Record<CommandFailure, StatusName>> = {
  'key-not-found': 'keyNotFound',
  'lease-not-found': 'leaseNotFound',
  'lease-exists': 'leaseExists',
  compacted: 'compacted',
  'future-revision': 'futureRevision',
  'ttl-out-of-range': 'ttlTooLarge',
  'unknown-incarnation': 'unknownIncarnation',
  'sequence-forgotten': 'sequenceForgotten',
  'no-space': 'noSpace',
  corrupt: 'corrupt',
  'root-user-missing': 'rootUserMissing',
  'root-role-missing': 'rootRoleMissing',
  'user-exists': 'userExists',
  'user-name-empty': 'userEmpty',
  'user-not-found': 'userNotFound',
  'role-exists': 'roleExists',
  'role-name-empty': 'roleEmpty',
  'role-not-found': 'roleNotFound',
  'role-not-granted': 'roleNotGranted',
  'permission-not-granted': 'permissionNotGranted',
  'invalid-auth-management': 'invalidAuthManagement',
  'permission-denied': 'permissionDenied',
  'auth-revision-old': 'authRevisionOld',
  'auth-not-enabled': 'authNotEnabled',
};

/** The failure that the state machine itself answered. */
export function commandFailure(reason: CommandFailure): StatusError {
  return failure(commandFailures[reason], reason === 'sequence-forgotten' ? { outcome: 'unknown' } : {});
}

/** Texts that etcd has for a condition of ours; the other codes keep our own message. */
const etcdTexts: Partial<Record<ErrorCode, StatusName>> = {
  // etcd says that no leader is there only to those who asked to hear of it, and to leases: see `asLeaseCall`.
  'no-leader': 'timeout',
  'not-leader': 'notLeader',
  timeout: 'timeout',
  'too-many-requests': 'tooManyRequests',
  'too-large': 'requestTooLarge',
  closed: 'stopped',
  aborted: 'cancelled',
};

/** What etcd adds where a member knows what came between. */
const interruptions: Readonly<Record<string, StatusName>> = {
  'leader-failure': 'timeoutLeaderFailure',
  'connection-lost': 'timeoutConnectionLost',
  'leader-changed': 'leaderChanged',
};

function etcdTextOf({ code, details }: ConclaveError): StatusName | undefined {
  // etcd has words for requests alone.
  if (details.what === 'result') return undefined;
  return interruptions[String(details.interruption)] ?? etcdTexts[code];
}

/** etcd's leases say when nobody leads, where its other requests say that they waited in vain. */
export async function asLeaseCall<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (ConclaveError.is(error, 'no-leader')) throw failure('noLeader', { outcome: error.outcome });
    throw error;
  }
}

const codesOfOthers: Partial<Record<ErrorCode, number>> = {
  'invalid-argument': statusCodes.invalidArgument,
  'failed-precondition': statusCodes.failedPrecondition,
  'not-found': statusCodes.notFound,
  'already-exists': statusCodes.failedPrecondition,
  'out-of-range': statusCodes.outOfRange,
  unavailable: statusCodes.unavailable,
  'disk-failed': statusCodes.unavailable,
  'disk-full': statusCodes.unavailable,
  unsupported: statusCodes.unimplemented,
  'data-damaged': statusCodes.dataLoss,
  'too-large': statusCodes.resourceExhausted,
  'unknown-incarnation': statusCodes.failedPrecondition,
  'lease-lost': statusCodes.notFound,
  'permission-denied': statusCodes.permissionDenied,
  unauthenticated: statusCodes.unauthenticated,
};

/** Whatever was thrown, as a status. Bugs become 'internal' with their message, so that nothing is swallowed. */
export function toStatus(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (ConclaveError.is(error)) {
    const name = etcdTextOf(error);
    const trailers = { code: error.code, outcome: error.outcome, retryable: error.retryable };
    if (name !== undefined) return new StatusError(statusTexts[name][0], statusTexts[name][1], trailers);
    return new StatusError(codesOfOthers[error.code] ?? statusCodes.unknown, error.message, trailers);
  }
  if (error instanceof WireError) return fromWireError(error);
  const text = error instanceof Error ? error.message : String(error);
  return new StatusError(statusCodes.internal, `conclave: internal error: ${text}`, {
    code: 'internal',
    outcome: 'unknown',
    retryable: false,
  });
}

function fromWireError(error: WireError): StatusError {
  return new StatusError(statusCodes.internal, `grpc: error unmarshalling request: ${error.message}`, {
    code: 'invalid-argument',
    outcome: 'not-applied',
    retryable: false,
  });
}
