import type { ProposeOptions, WaitOptions } from '../member/types.ts';
import type { CallContext } from './types.ts';

/**
 * Of a proposal: what nobody waits for any more is not to be applied when a leader is found, as in etcd. What is proposed when
 * the time is up already, as to clear up behind the caller, has a time of its own.
 */
export function forCaller(
  { deadlineMs }: Pick<CallContext, 'deadlineMs'>,
  options: ProposeOptions,
): ProposeOptions {
  return deadlineMs ? { ...options, timeoutMs: deadlineMs } : options;
}

/** Of a read: no longer than the caller waits, and until it leaves. */
export function untilLeft({ signal, deadlineMs }: CallContext): WaitOptions {
  return deadlineMs ? { signal, timeoutMs: deadlineMs } : { signal };
}
