import { StatusError, toStatus } from './status.ts';
import type { Logger } from './types.ts';

/** What a call failed with in another thread, which has logged it where that was called for. */
export class ToldError extends StatusError {}

/** What a call failed with, as a status; what nobody expected is logged with where it came from. */
export function statusOfCall(error: unknown, path: string, logger: Logger): StatusError {
  const status = toStatus(error);
  if (status.conclave.code === 'internal' && !(error instanceof ToldError)) {
    const stack = error instanceof Error ? error.stack : undefined;
    logger.error({ method: path, error: status.message, stack }, 'a call failed');
  }
  return status;
}
