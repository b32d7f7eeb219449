import { ConclaveError, type ErrorCode, type ErrorOutcome, errorCodes } from '../errors/index.ts';
import { plainReason } from './connection-hints.ts';

/** What came back from a server: a gRPC status, and our own trailers where the server is Conclave. */
export interface ReceivedStatus {
  /** gRPC status code. */
  readonly status: number;
  readonly text: string;
  readonly trailer: (name: string) => string | undefined;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly outcome?: ErrorOutcome;
  readonly retryable?: boolean;
}

const again = { retryable: true } as const;
const unsure = { retryable: true, outcome: 'unknown' } as const;

/** etcd's texts, without their "etcdserver: ", where the status alone does not say enough. */
const byText: ReadonlyMap<string, Meaning> = new Map([
  ['key not found', { code: 'not-found' }],
  ['requested lease not found', { code: 'lease-lost' }],
  ['lease already exists', { code: 'already-exists' }],
  ['request is too large', { code: 'too-large' }],
  ['mvcc: database space exceeded', { code: 'disk-full' }],
  ['too many requests', { code: 'too-many-requests', ...again }],
  ['no leader', { code: 'no-leader', ...again }],
  ['not leader', { code: 'not-leader', ...again }],
  ['leader changed', { code: 'unavailable', ...unsure }],
  ['server stopped', { code: 'unavailable', ...unsure }],
  ['request timed out', { code: 'timeout', ...unsure }],
  ['request timed out, possibly due to previous leader failure', { code: 'timeout', ...unsure }],
  ['request timed out, possibly due to connection lost', { code: 'timeout', ...unsure }],
  ['request timed out, waiting for the applied index took too long', { code: 'timeout', ...unsure }],
  // Users or roles were changed while the request was on its way.
  ['revision of auth store is old', { code: 'unavailable', ...again }],
  ['unhealthy cluster', { code: 'unavailable', ...unsure }],
]);

const byStatus: readonly (Meaning | undefined)[] = [
  undefined,
  { code: 'unavailable', ...unsure }, // 1 cancelled, not by us
  { code: 'internal', outcome: 'unknown' },
  { code: 'invalid-argument' },
  { code: 'timeout', ...unsure },
  { code: 'not-found' },
  { code: 'already-exists' },
  { code: 'permission-denied' },
  { code: 'too-many-requests', ...again },
  { code: 'failed-precondition' },
  { code: 'unavailable', ...unsure }, // 10 aborted
  { code: 'out-of-range' },
  { code: 'unsupported' },
  { code: 'internal', outcome: 'unknown' },
  { code: 'unavailable', ...unsure },
  { code: 'data-damaged', outcome: 'unknown' },
  { code: 'unauthenticated' },
];

/** gRPC's own refusals of calls that never left this process. */
const neverLeft =
  /^(No connection established|Name resolution failed|Channel closed before call|Stream refused)/;
const lostOnTheWay = /^(Received RST_STREAM|Connection dropped|Call cancelled|Channel has been shut down)/;

/** What a person needs of gRPC's own texts: why nobody answered, not where in the channel the time went. */
function withoutGrpc(text: string): string {
  const refused = /^No connection established\. Last error: (?:Error: )?([\s\S]*?)\.?$/.exec(text);
  if (refused !== null) return `no connection (${plainReason(refused[1] ?? '')}).`;
  return text.startsWith('Deadline exceeded') ? 'no answer in time.' : text;
}

const leaderlessText =
  'this member found no Raft leader in time; a majority of the members must run and reach each other.';

/** Turns a failed call's status into the error that the server meant. */
export function errorFromStatus(received: ReceivedStatus, what: string): ConclaveError {
  const { status } = received;
  // grpc-js ends some of its texts with a heading that nothing follows.
  const text = received.text.replace(/ ?Resolution note: $/, '');
  const own = received.trailer('conclave-code');
  if (own === 'aborted') {
    // Not by us, or the caller would have its own error: the server gave the call up.
    return new ConclaveError('unavailable', `${what}: ${text}`, unsure);
  }
  if (own !== undefined && Object.hasOwn(errorCodes, own)) {
    // etcd's text says only that time has passed.
    const leaderless = own === 'no-leader' && !text.includes('no leader');
    return new ConclaveError(own as ErrorCode, leaderless ? `${what}: ${leaderlessText}` : text, {
      outcome: received.trailer('conclave-outcome') === 'unknown' ? 'unknown' : 'not-applied',
      retryable: received.trailer('conclave-retryable') === 'true',
    });
  }
  const details = { grpcStatus: status };
  const known = text.startsWith('etcdserver: ') ? byText.get(text.slice('etcdserver: '.length)) : undefined;
  if (known !== undefined) return new ConclaveError(known.code, text, { ...known, details });
  if (neverLeft.test(text)) {
    return new ConclaveError('unavailable', `${what}: ${withoutGrpc(text)}`, { ...again, details });
  }
  if (lostOnTheWay.test(text)) {
    return new ConclaveError('unavailable', `${what}: ${text}`, { ...unsure, details });
  }
  if (status === 8 && text.includes('larger than max'))
    return new ConclaveError('too-large', text, { details });
  const service = /unknown service (conclave\.[\w.]+)/.exec(text)?.[1];
  if (service !== undefined) {
    const message = `${what}: there is no ${service}, so this is no member of Conclave. If it is etcd, use etcdStore of conclave/etcd, or etcd:// as the store's URL.`;
    return new ConclaveError('unsupported', message, { details });
  }
  const meaning = byStatus[status] ?? { code: 'internal', outcome: 'unknown' };
  const message = text.startsWith('etcdserver: ') ? text : `${what}: ${withoutGrpc(text)}`;
  return new ConclaveError(meaning.code, message, { ...meaning, details });
}
