/** What an error of the driver means for a write. Errors are told apart by name, code and label, not by class. */
import { ConclaveError, type ErrorOutcome } from '../../errors/index.ts';

interface DriverError {
  readonly name: string;
  readonly message: string;
  readonly code: unknown;
  readonly keyPattern: unknown;
  readonly labels: readonly string[];
}

const codes = {
  illegalOperation: 20,
  maxTimeExpired: 50,
  writeConflict: 112,
  exceededTimeLimit: 262,
  transactionsNotSupported: 263,
  duplicateKey: 11_000,
} as const;
/** The operation was interrupted: shutting down, stepped down, killed. */
const interrupted: readonly unknown[] = [91, 189, 237, 11_600, 11_601, 11_602, 10_107, 13_435, 13_436];

function describe(error: unknown): DriverError {
  const { name, message, code, keyPattern, errorLabels } = (error ?? {}) as Record<string, unknown>;
  return {
    name: typeof name === 'string' ? name : '',
    message: typeof message === 'string' ? message : String(error),
    code,
    keyPattern,
    labels: Array.isArray(errorLabels) ? errorLabels : [],
  };
}

/** Another document has this _id; false for another unique index, whose rule the caller's document breaks. */
export function isTaken(error: unknown): boolean {
  const { code, keyPattern } = describe(error);
  if (code !== codes.duplicateKey) return false;
  return typeof keyPattern !== 'object' || keyPattern === null || '_id' in keyPattern;
}

export function isWriteConflict(error: unknown): boolean {
  return describe(error).code === codes.writeConflict;
}

export function failure(
  what: string,
  error: unknown,
  kind: 'read' | 'write',
  signal?: AbortSignal | undefined,
): ConclaveError {
  if (ConclaveError.is(error)) return error;
  const unknown: ErrorOutcome = kind === 'write' ? 'unknown' : 'not-applied';
  if (signal?.aborted) {
    const message = `${what} was aborted by its signal.`;
    return new ConclaveError('aborted', message, { outcome: unknown, cause: signal.reason });
  }
  const { name, message, code, labels } = describe(error);
  const said = `${what} failed: ${message}`;
  if (
    name === 'MongoInvalidArgumentError' ||
    name === 'BSONError' ||
    name === 'MongoMissingDependencyError'
  ) {
    return new ConclaveError('invalid-argument', said, { cause: error });
  }
  if (code === codes.maxTimeExpired || code === codes.exceededTimeLimit || /timeout/i.test(name)) {
    return new ConclaveError('timeout', said, { outcome: unknown, retryable: true, cause: error });
  }
  const unclear = labels.includes('RetryableWriteError') || interrupted.includes(code);
  if (name !== 'MongoServerError' || unclear) {
    return new ConclaveError('unavailable', said, { outcome: unknown, retryable: true, cause: error });
  }
  if (code === codes.duplicateKey) return new ConclaveError('already-exists', said, { cause: error });
  if (
    code === codes.transactionsNotSupported ||
    (code === codes.illegalOperation && /transaction/i.test(message))
  ) {
    const advice = `${said}. Transactions need a replica set or a sharded cluster; fencedDocument works without.`;
    return new ConclaveError('unsupported', advice, { cause: error });
  }
  return new ConclaveError('failed-precondition', said, { cause: error });
}
