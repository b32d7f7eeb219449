import { type StatusError, toStatus } from './status.ts';
import type { Logger, ServedMethod } from './types.ts';

/** What a call failed with, as a status; what nobody expected is logged with where it came from. */
export function statusOfCall(error: unknown, method: ServedMethod, logger: Logger): StatusError {
  const status = toStatus(error);
  if (status.conclave.code === 'internal') {
    const stack = error instanceof Error ? error.stack : undefined;
    logger.error({ method: method.descriptor.path, error: status.message, stack }, 'a call failed');
  }
  return status;
}
