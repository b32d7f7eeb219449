import { ConclaveError } from '../errors/index.ts';
import type { RaftState } from '../raft/index.ts';
import type { Clock, Timers } from '../runtime/index.ts';
import type { LeaderRequests } from './leader-requests.ts';
import type { WaitOptions } from './types.ts';

const askAgainAfterMs = 50;

export interface LeaseQuestionContext {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly requests: Pick<LeaderRequests, 'remainingMs' | 'askLease'>;
  readonly barrier: (options: WaitOptions) => Promise<void>;
  readonly role: () => RaftState;
}

/**
 * How long the lease has left by the leader's clock, whoever leads; undefined where there is none.
 *
 * @throws ConclaveError 'timeout', and as the barrier.
 */
export async function leaseRemainingMs(
  lease: bigint,
  options: WaitOptions & { readonly timeoutMs: number },
  { clock, timers, requests, barrier, role }: LeaseQuestionContext,
): Promise<number | undefined> {
  const untilMs = clock.monotonicMs() + options.timeoutMs;
  for (;;) {
    const leftMs = untilMs - clock.monotonicMs();
    if (leftMs <= 0) {
      const message = 'The Raft leader did not say in time how long the lease has left.';
      throw new ConclaveError('timeout', message, { retryable: true });
    }
    await barrier({ ...options, timeoutMs: leftMs });
    const now = role();
    if (now.role === 'leader') return requests.remainingMs(lease);
    const answer = await requests.askLease(now.leader, lease, leftMs);
    if (answer !== 'retry') return answer.remainingMs;
    await new Promise<void>((resolve) => timers.after(askAgainAfterMs, resolve));
  }
}
