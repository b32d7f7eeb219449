import type { Runtime, Timer } from '../runtime/index.ts';
import { readTimedOut } from './proposal-errors.ts';
import type { Proposer } from './proposer.ts';
import type { Reads } from './reads.ts';
import type { WaitOptions } from './types.ts';

export const defaultTimeoutMs = 7000;
const sweepEveryMs = 50;

export interface DeadlinesContext {
  readonly runtime: Runtime;
  readonly proposer: Pick<Proposer, 'busy' | 'sweep' | 'toldEarlyMs'>;
  readonly reads: Pick<Reads, 'waiting' | 'sweep'>;
}

/** Until when those wait who propose and read here. One timer serves all of them, and runs only while anybody waits. */
export class Deadlines {
  private readonly context: DeadlinesContext;
  private timer: Timer | undefined;
  private closed = false;

  constructor(context: DeadlinesContext) {
    this.context = context;
  }

  of(options: WaitOptions): number {
    const { timeoutMs = defaultTimeoutMs } = options;
    return this.context.runtime.clock.monotonicMs() + Math.min(timeoutMs, defaultTimeoutMs);
  }

  /** Ends what is late and sends again what was lost, as long as anything waits. */
  sweepSoon(): void {
    if (this.timer || this.closed) return;
    this.timer = this.context.runtime.timers.after(sweepEveryMs, () => {
      this.timer = undefined;
      const { runtime, proposer, reads } = this.context;
      const nowMs = runtime.clock.monotonicMs();
      proposer.sweep(nowMs);
      reads.sweep(nowMs, proposer.toldEarlyMs(nowMs), readTimedOut);
      if (proposer.busy || reads.waiting) this.sweepSoon();
    });
  }

  /** Nothing waits for an answer any more. */
  close(): void {
    this.closed = true;
    this.timer?.cancel();
  }
}
