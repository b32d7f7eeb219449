/** Errors of drivers as errors of ours; all of them before a commit, so nothing of the transaction is applied. */
import { ConclaveError, type ErrorCode } from '../../errors/index.ts';
import type { Dialect, Failure } from './dialect.ts';
import type { FenceSettings } from './options.ts';

interface Converts {
  readonly dialect: Dialect;
  classify?(error: unknown): Failure;
}

const codes: Readonly<Record<Exclude<Failure, 'foreign'>, ErrorCode>> = {
  conflict: 'version-conflict',
  connection: 'unavailable',
  'lock-timeout': 'timeout',
  'missing-table': 'failed-precondition',
  'other-table': 'data-incompatible',
  'table-exists': 'already-exists',
  'read-only': 'failed-precondition',
  'disk-full': 'disk-full',
  'disk-failed': 'disk-failed',
  'data-damaged': 'data-damaged',
  refused: 'failed-precondition',
};
const retryable: readonly Failure[] = ['conflict', 'connection', 'lock-timeout', 'disk-full'];

export function failureOf({ dialect, classify }: Converts, error: unknown): Failure {
  return (classify ?? dialect.classify)(error);
}

export function convertError(driver: Converts, table: string, error: unknown): unknown {
  if (ConclaveError.is(error)) return error;
  const failure = failureOf(driver, error);
  if (failure === 'foreign') return error;
  const { name, module } = driver.dialect;
  const reason = error instanceof Error ? error.message : String(error);
  const sentences: Readonly<Record<Exclude<Failure, 'foreign'>, string>> = {
    conflict: `${name} rolled the fenced transaction back for the sake of another one (${reason}): run it again.`,
    connection: `The connection to ${name} is broken or cannot be had (${reason}). Nothing was committed.`,
    'lock-timeout': `A lock was not to be had in time (${reason}): another transaction holds it, perhaps one of a process that is paused. Nothing was committed.`,
    'missing-table': `The fence table ${table} does not exist (${reason}): run migrate() of ${module} once, or its createTable statement.`,
    'other-table': `The table ${table} is not a fence table that this release of conclave knows (${reason}).`,
    'table-exists': `The table ${table} was just made by somebody else (${reason}).`,
    'read-only': `${name} takes no writes here (${reason}): connect to the primary.`,
    'disk-full': `${name} has no space left (${reason}).`,
    'disk-failed': `${name} could not use its disk (${reason}).`,
    'data-damaged': `The data of ${name} is damaged (${reason}).`,
    refused: `${name} refused a statement of the fence (${reason}).`,
  };
  const options = { retryable: retryable.includes(failure), cause: error };
  return new ConclaveError(codes[failure], sentences[failure], options);
}

/** A database that does not answer is given up; what it says later is nobody's. */
export async function bounded<T>(
  { runtime, answerTimeoutMs }: Pick<FenceSettings, 'runtime' | 'answerTimeoutMs'>,
  promise: Promise<T>,
  what: string,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = runtime.timers.after(answerTimeoutMs, () => {
    const message = `${what} got no answer from the database within ${answerTimeoutMs} ms.`;
    late.reject(new ConclaveError('timeout', message, { retryable: true }));
  });
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    timer.cancel();
  }
}
