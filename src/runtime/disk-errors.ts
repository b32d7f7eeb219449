import type { ErrorOutcome } from '../errors/index.ts';
import { ConclaveError } from '../errors/index.ts';

const codes: Readonly<Record<string, 'disk-full' | 'not-found' | 'already-exists'>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  ENOENT: 'not-found',
  EEXIST: 'already-exists',
};

/**
 * Says what was tried on which path and what the system answered.
 *
 * @param outcome 'unknown' for what may have been done in part or whole although it failed.
 */
export function diskError(
  action: string,
  path: string,
  cause: unknown,
  outcome: ErrorOutcome,
): ConclaveError {
  const errno = errnoOf(cause);
  const code = codes[errno] ?? 'disk-failed';
  const reason = {
    'disk-full': 'no space is left; free some, or raise the quota',
    'not-found': 'it does not exist',
    'already-exists': 'it exists already',
    'disk-failed': cause instanceof Error ? cause.message : String(cause),
  }[code];
  return new ConclaveError(code, `Could not ${action} '${path}': ${reason} (${errno}).`, {
    cause,
    outcome: code === 'not-found' || code === 'already-exists' ? 'not-applied' : outcome,
    details: { path, errno },
  });
}

function errnoOf(cause: unknown): string {
  if (typeof cause === 'object' && cause !== null && 'code' in cause && typeof cause.code === 'string')
    return cause.code;
  return 'unknown';
}
