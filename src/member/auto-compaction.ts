import type { Command, CommandResult } from '../keyspace/index.ts';
import type { Runtime, Timer } from '../runtime/index.ts';
import type { Logger } from './logger.ts';

/** What is kept: everything of so long, or so many revisions. */
export type AutoCompaction =
  | { readonly mode: 'periodic'; readonly retentionMs: number }
  /** `everyMs`: how often to look. Default 5 minutes, as in etcd. */
  | { readonly mode: 'revision'; readonly retention: number; readonly everyMs?: number };

const hourMs = 3_600_000;
/** etcd looks so often, in the mode by revisions. */
const revisionEveryMs = 300_000;
/** Of the time between two compactions, how many times the revision is noted. */
const notesPerInterval = 10;

export interface AutoCompactionContext {
  readonly setting: AutoCompaction;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly revision: () => number;
  readonly isLeader: () => boolean;
  readonly propose: (command: Command) => Promise<CommandResult>;
}

/**
 * Compacts by itself, as etcd does: by time, to what was the revision so long ago, or up to a tenth of an interval
 * longer, each hour or each such time where that is shorter; by revisions, to so many behind the newest, each five minutes. Every member keeps count, so that a new
 * leader need not begin anew; only the leader compacts.
 */
export class AutoCompactor implements Disposable {
  private readonly context: AutoCompactionContext;
  private timer: Timer | undefined;
  /** By time: revisions noted, the oldest first, which was the newest one a retention ago. */
  private readonly noted: number[] = [];
  private compactedAtMs: number;
  private compactedTo = 0;
  private waited = false;
  private closed = false;

  constructor(context: AutoCompactionContext) {
    this.context = context;
    this.compactedAtMs = context.runtime.clock.monotonicMs();
    if (context.setting.mode === 'periodic') this.note(context.setting.retentionMs);
    this.arm();
  }

  [Symbol.dispose](): void {
    this.closed = true;
    this.timer?.cancel();
  }

  private get everyMs(): number {
    const { setting } = this.context;
    if (setting.mode === 'revision') return setting.everyMs ?? revisionEveryMs;
    return Math.min(setting.retentionMs, hourMs) / notesPerInterval;
  }

  private arm(): void {
    const look = (): void => {
      // Its failures are logged.
      void this.look().finally(() => {
        if (!this.closed) this.arm();
      });
    };
    this.timer = this.context.runtime.timers.after(this.everyMs, look, { background: true });
  }

  private async look(): Promise<void> {
    const { setting } = this.context;
    const to =
      setting.mode === 'periodic' ? this.byTime(setting.retentionMs) : this.byRevision(setting.retention);
    if (setting.mode === 'periodic') this.note(setting.retentionMs);
    if (to !== undefined && this.context.isLeader()) await this.compact(to);
  }

  private note(retentionMs: number): void {
    this.noted.push(this.context.revision());
    const kept = Math.floor(retentionMs / this.everyMs) + 1;
    if (this.noted.length > kept) this.noted.shift();
  }

  private byTime(retentionMs: number): number | undefined {
    const sinceMs = this.context.runtime.clock.monotonicMs() - this.compactedAtMs;
    // A timer may fire a little before its time by another clock.
    const dueMs = this.waited ? Math.min(retentionMs, hourMs) : retentionMs;
    if (sinceMs < dueMs - this.everyMs / 2) return undefined;
    this.waited = true;
    return this.noted[0];
  }

  private byRevision(retention: number): number | undefined {
    const to = this.context.revision() - retention;
    return to > 0 && to !== this.compactedTo ? to : undefined;
  }

  private async compact(revision: number): Promise<void> {
    const { runtime, logger, propose } = this.context;
    try {
      const { outcome } = await propose({ type: 'compact', revision });
      const already = outcome.type === 'failed' && outcome.failure === 'compacted';
      if (outcome.type !== 'compact' && !already) throw new Error(JSON.stringify(outcome));
      this.compactedAtMs = runtime.clock.monotonicMs();
      this.compactedTo = revision;
      if (!already) logger.info({ revision }, 'Compacted automatically.');
    } catch (error) {
      logger.warn({ revision, error: String(error) }, 'Automatic compaction failed; it will be tried again.');
    }
  }
}
