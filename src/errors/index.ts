/**
 * The one error class of Conclave.
 *
 * Guarantees: `code` comes from a closed set; `outcome` says whether the operation that failed can have taken
 * effect; `retryable` says whether trying again may help. Recognised across duplicate installs by a brand, not
 * by `instanceof`.
 *
 * Must not: import anything, or grow a second class. Details belong in `details`, not in subclasses.
 */

/** What went wrong, for programs. The catalogue with remedies is `docs/reference/errors.md`. */
export const errorCodes = {
  'invalid-argument': 'An argument or option is malformed or out of its documented range.',
  'failed-precondition': 'The request is well formed, but the state of the system does not allow it.',
  unauthenticated: 'Who calls was not proven: no, an invalid or an expired token, or a wrong password.',
  'permission-denied': 'The user may not do this with these keys, or at all.',
  'not-found': 'The thing named does not exist.',
  'already-exists': 'The thing to be created exists already.',
  'out-of-range': 'A revision is compacted away or lies in the future.',
  'too-large': 'A request, key, value or name exceeds its limit.',
  'too-many-requests': 'A bounded queue is full; slow down and try again.',
  'no-leader': 'The cluster has no Raft leader now.',
  'not-leader': 'This member is not the Raft leader.',
  unavailable: 'The store or member cannot be reached or cannot answer now.',
  timeout: 'The operation did not finish within its time.',
  aborted: 'The caller aborted the operation through its signal.',
  closed: 'The object was closed or the member is stopping.',
  'unknown-incarnation': 'The client incarnation was never registered or has been forgotten.',
  'lease-lost': 'The lease or session has expired or was revoked.',
  'not-leading': 'The leadership is no longer held.',
  'stale-token': 'A write carried a fencing token below the highest one seen.',
  'version-conflict': 'A write was conditional on a version that is no longer the latest.',
  'target-not-waiting': 'The hand-off names a holder that is not waiting for this election.',
  unsupported: 'The store or server does not offer this.',
  'data-damaged': 'Stored data failed its checks; the message names where.',
  'data-locked': 'The data folder is in use by another process.',
  'data-incompatible':
    'A data folder or file belongs to another cluster, member or program, or has a newer format.',
  'disk-failed': 'The disk refused a read, write or sync.',
  'disk-full': 'The disk, or the quota of what a member stores, has no space left.',
  removed: 'The member was removed from its cluster or lost its data; it must be added anew.',
  'address-in-use': 'A listen address is taken by another process.',
  'job-failed': 'The job that ran under a leadership threw.',
  internal: 'A bug in Conclave: please report it.',
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof errorCodes;

/** `not-applied`: certainly without effect. `unknown`: it may have taken effect; re-read before you decide. */
export type ErrorOutcome = 'not-applied' | 'unknown';

export interface ConclaveErrorOptions {
  /** Whether the same call may succeed later without a change by the caller. Default false. */
  retryable?: boolean;
  /** Default `not-applied`. */
  outcome?: ErrorOutcome;
  cause?: unknown;
  /** Machine-readable particulars: which key, which lease, which address. */
  details?: Readonly<Record<string, string | number | bigint | boolean>>;
}

const brand = Symbol.for('conclave.error');

export class ConclaveError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly outcome: ErrorOutcome;
  readonly details: Readonly<Record<string, string | number | bigint | boolean>>;
  readonly [brand] = true;

  constructor(code: ErrorCode, message: string, options: ConclaveErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ConclaveError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.outcome = options.outcome ?? 'not-applied';
    this.details = options.details ?? {};
  }

  /** With the message, which JSON leaves out of an Error, and without a bigint, which it refuses. */
  toJSON(): Readonly<Record<string, unknown>> {
    const { name, code, message, retryable, outcome } = this;
    const details = Object.fromEntries(
      Object.entries(this.details).map(([key, value]) => [
        key,
        typeof value === 'bigint' ? String(value) : value,
      ]),
    );
    return { name, code, message, retryable, outcome, details };
  }

  /** True for a ConclaveError of any installed copy of the package, optionally of one code only. */
  static is(error: unknown, code?: ErrorCode): error is ConclaveError {
    if (typeof error !== 'object' || error === null || !(brand in error)) return false;
    return code === undefined || (error as ConclaveError).code === code;
  }

  /** The error to throw when a caller's signal has aborted. Keeps the signal's reason as the cause. */
  static aborted(what: string, signal?: AbortSignal): ConclaveError {
    return new ConclaveError('aborted', `${what} was aborted by its signal.`, { cause: signal?.reason });
  }
}
