import { ConclaveError, type ErrorCode } from '../../errors/index.ts';

/** What may befall any call under faults; who makes it goes on without. */
const usual: ReadonlySet<string> = new Set([
  'aborted',
  'lease-lost',
  'timeout',
  'unavailable',
  'no-leader',
  'too-many-requests',
  // Where auth is enabled meanwhile: what a client registered before is nobody's.
  'unknown-incarnation',
]);

/** Throws the error unless it is usual under faults, or one of those that this call may meet besides. */
export function unlessUsual(error: unknown, ...besides: readonly ErrorCode[]): undefined {
  if (!ConclaveError.is(error) || !(usual.has(error.code) || besides.includes(error.code))) throw error;
}
