import type { PersistRequest, RaftEvent, RaftMessage } from '../raft/index.ts';
import type { Clock } from '../runtime/index.ts';
import type { LogWrite, SharedLog } from './log/index.ts';
import type { RecentDelays } from './recent-delays.ts';

export interface PersistQueueContext {
  readonly group: number;
  readonly log: SharedLog;
  readonly clock: Clock;
  readonly delays: RecentDelays;
  readonly step: (event: RaftEvent) => void;
  readonly send: (messages: readonly RaftMessage[]) => void;
  /** What was sent is to leave. */
  readonly flush: () => void;
  readonly fail: (error: unknown) => void;
}

interface Pending {
  readonly persistId: number;
  messages: readonly RaftMessage[];
}

/** Holds back what may be sent only after a write is durable, and tells the core when it is. */
export class PersistQueue {
  private readonly context: PersistQueueContext;
  private readonly pending: Pending[] = [];

  constructor(context: PersistQueueContext) {
    this.context = context;
  }

  get isWriting(): boolean {
    return this.pending.length > 0;
  }

  add(request: PersistRequest | undefined, messages: readonly RaftMessage[]): void {
    if (!request) {
      const last = this.pending.at(-1);
      if (!last) this.context.send(messages);
      else if (messages.length > 0) last.messages = [...last.messages, ...messages];
      return;
    }
    const pending: Pending = { persistId: request.persistId, messages };
    this.pending.push(pending);
    const write: LogWrite = {
      group: this.context.group,
      entries: request.entries,
      hardState: request.hardState,
      snapshot: request.snapshot?.meta,
      keepsLog: request.snapshot?.keepsLog,
    };
    const { log, clock, delays } = this.context;
    const startMs = clock.monotonicMs();
    // The log resolves in order, so the first pending one is always the one that became durable.
    log
      .append([write], { sync: request.mustSync })
      .then(() => {
        delays.record(clock.monotonicMs() - startMs);
        this.pending.shift();
        this.context.send(pending.messages);
        this.context.step({ type: 'persisted', persistId: pending.persistId });
        if (pending.messages.length > 0) this.context.flush();
      })
      .catch((error: unknown) => this.context.fail(error));
  }
}
