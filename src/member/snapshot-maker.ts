import { ConclaveError } from '../errors/index.ts';
import type { KeyspaceMachine } from '../keyspace/index.ts';
import type { RaftCore, SnapshotMeta } from '../raft/index.ts';
import type { Runtime } from '../runtime/index.ts';
import type { SharedLog } from './log/index.ts';
import type { Logger } from './logger.ts';
import type { SnapshotStore } from './snapshots/index.ts';

/**
 * A snapshot has all of the state, however little has changed: until the log has grown by as much as the last one, to
 * write it again would cost more than it saves at the next start.
 */
const logShare = 1;
/** A state of so many bytes is written whenever it is due otherwise. */
const smallBytes = 8 * 1024 * 1024;
/** Of the entries kept in memory behind a snapshot. */
const catchUpBytes = 8 * 1024 * 1024;

export interface SnapshotMakerContext {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly group: number;
  readonly keyspace: KeyspaceMachine;
  readonly raft: RaftCore;
  readonly log: SharedLog;
  readonly snapshots: SnapshotStore;
  readonly snapshotCount: number;
  readonly snapshotLogBytes: number;
  /** Entries kept in memory behind a snapshot, so that a follower a little behind needs no snapshot. */
  readonly snapshotCatchUpEntries: number;
  readonly onMade: (meta: SnapshotMeta, keepFrom: number) => void;
  readonly fail: (error: unknown) => void;
}

/** Writes snapshots beside the running loop: one chunk a turn, of a view that later entries do not change. */
export class SnapshotMaker {
  private readonly context: SnapshotMakerContext;
  private commandsSince = 0;
  private logBytesAtLast = 0;
  private bytesOfLast = 0;
  private making: Promise<void> | undefined;
  private closed = false;
  /** The latest snapshot's index, 0: none. */
  snapshotIndex = 0;

  constructor(context: SnapshotMakerContext) {
    this.context = context;
  }

  applied(commands: number): void {
    this.commandsSince += commands;
  }

  /** Starts a snapshot where one is due. */
  review(appliedTerm: number): void {
    const { log, snapshotCount, snapshotLogBytes, keyspace } = this.context;
    if (this.closed || this.making || this.commandsSince === 0 || keyspace.appliedIndex <= this.snapshotIndex)
      return;
    const logBytes = log.bytes - this.logBytesAtLast;
    const worthIt = this.bytesOfLast <= smallBytes || logBytes >= this.bytesOfLast * logShare;
    const due = logBytes >= snapshotLogBytes || (this.commandsSince >= snapshotCount && worthIt);
    if (!due) return;
    this.begin(appliedTerm);
  }

  /** Resolves when everything that is applied now is in a snapshot on disk. @throws ConclaveError 'closed' */
  async makeNow(appliedTerm: () => number): Promise<void> {
    const wanted = this.context.keyspace.appliedIndex;
    while (Math.max(this.snapshotIndex, this.installedIndex()) < wanted) {
      if (this.closed) throw new ConclaveError('closed', 'The member is stopping.', { retryable: true });
      if (this.making === undefined) this.begin(appliedTerm());
      await this.making;
    }
  }

  /**
   * The one on disk cannot be read any more: another takes its place, also where nothing was applied since, as no other
   * would come before much is written. Never rejects; resolves when it is there.
   */
  async replaceDamaged(appliedTerm: () => number): Promise<void> {
    // One that is under way takes its place as well. What was received and is not loaded yet has no other.
    if (this.closed || this.context.keyspace.appliedIndex < this.installedIndex()) return;
    if (this.making === undefined) this.begin(appliedTerm());
    await this.making;
  }

  private begin(term: number): void {
    const { keyspace, raft } = this.context;
    const index = keyspace.appliedIndex;
    this.commandsSince = 0;
    this.making = this.make({ index, term, configuration: raft.configurationAt(index) })
      .catch((error: unknown) => this.context.fail(error))
      .finally(() => {
        this.making = undefined;
      });
  }

  private async make(meta: SnapshotMeta): Promise<void> {
    const { runtime, keyspace, snapshots, log, group, logger } = this.context;
    const startMs = runtime.clock.monotonicMs();
    const reader = keyspace.snapshot();
    try {
      const sink = await snapshots.create(group, meta);
      try {
        let bytes = 0;
        // In the same memory again and again: buffers of so many bytes would bring full collections.
        for (let chunk = reader.nextView(); chunk; chunk = reader.nextView()) {
          bytes += chunk.length;
          if (this.closed) return await sink.abort();
          await sink.write(chunk);
          await new Promise<void>((resolve) => runtime.timers.nextTurn(resolve));
        }
        await sink.finish();
        this.bytesOfLast = bytes;
      } catch (error) {
        await sink.abort().catch(() => undefined);
        throw error;
      }
    } finally {
      reader.close();
    }
    // A snapshot that the leader sent meanwhile may be newer, even if it is not loaded yet. Then this one is of no
    // use, and the log must not hear of it: it would begin after this one, without the entries up to the other.
    if (meta.index <= Math.max(this.installedIndex(), this.snapshotIndex)) return;
    await log.compacted(group, meta);
    this.logBytesAtLast = log.bytes;
    this.snapshotIndex = Math.max(this.snapshotIndex, meta.index);
    this.context.onMade(meta, this.keepFrom(meta.index));
    logger.info(
      { index: meta.index, tookMs: Math.round(runtime.clock.monotonicMs() - startMs) },
      'Made a snapshot.',
    );
  }

  private installedIndex(): number {
    return this.context.raft.status().firstIndex - 1;
  }

  private keepFrom(index: number): number {
    let bytes = 0;
    let keepFrom = index + 1;
    while (index + 1 - keepFrom < this.context.snapshotCatchUpEntries) {
      const entry = this.context.raft.entryAt(keepFrom - 1);
      if (!entry) break;
      bytes += entry.data.length;
      if (bytes > catchUpBytes) break;
      keepFrom--;
    }
    return keepFrom;
  }

  installed(meta: SnapshotMeta): void {
    this.snapshotIndex = Math.max(this.snapshotIndex, meta.index);
    this.commandsSince = 0;
    this.logBytesAtLast = this.context.log.bytes;
  }

  /** One that is under way is given up. */
  async close(): Promise<void> {
    this.closed = true;
    await this.making;
  }
}
