import type { Runtime, Timer } from '../runtime/index.ts';
import { readTimedOut } from './proposal-errors.ts';
import type { Proposer } from './proposer.ts';
import type { Reads } from './reads.ts';
import type { WaitOptions } from './types.ts';

const sweepEveryMs = 50;
/** As etcd: 5 s for the answer itself, and two elections on the way to it, of which each is at least a second. */
const withoutElectionMs = 5000;
const shortestElectionMs = 1000;

export interface DeadlinesContext {
  readonly runtime: Runtime;
  /** undefined: as Raft has it by default. */
  readonly electionTimeoutMs: number | undefined;
  readonly proposer: Pick<Proposer, 'busy' | 'sweep' | 'toldEarlyMs'>;
  readonly reads: Pick<Reads, 'waiting' | 'sweep'>;
}

/** Until when those wait who propose and read here. One timer serves all of them, and runs only while anybody waits. */
export class Deadlines {
  /** How long anybody waits here at the most, and how long where nothing is said. */
  readonly longestMs: number;
  private readonly context: DeadlinesContext;
  private timer: Timer | undefined;
  private closed = false;

  constructor(context: DeadlinesContext) {
    this.context = context;
    this.longestMs = withoutElectionMs + 2 * Math.max(shortestElectionMs, context.electionTimeoutMs ?? 0);
  }

  of(options: WaitOptions): number {
    const { timeoutMs = this.longestMs } = options;
    return this.context.runtime.clock.monotonicMs() + Math.min(timeoutMs, this.longestMs);
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
