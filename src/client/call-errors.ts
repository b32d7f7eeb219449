import { ConclaveError } from '../errors/index.ts';

/** What every transport says of a call that its connection, or its caller, gave up. */

/** What people call it: Put, of '/etcdserverpb.KV/Put'. */
export function nameOfCall({ path }: { readonly path: string }): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function neverSent(cause: ConclaveError): ConclaveError {
  return new ConclaveError(cause.code, cause.message, { retryable: cause.retryable, cause });
}

export function abortedOnTheWay(what: string, signal: AbortSignal | undefined): ConclaveError {
  return new ConclaveError('aborted', `${what} was aborted by its signal.`, {
    outcome: 'unknown',
    cause: signal?.reason,
  });
}
