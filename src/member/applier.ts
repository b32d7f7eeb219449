import { ConclaveError } from '../errors/index.ts';
import { type CommandResult, type KeyspaceMachine, MalformedData } from '../keyspace/index.ts';
import { type Entry, InvariantViolation, type SnapshotMeta } from '../raft/index.ts';
import type { Runtime } from '../runtime/index.ts';
import type { SnapshotStore } from './snapshots/index.ts';

/** Entries of a long catch-up are applied for at most so long in one turn of the loop. */
const turnBudgetMs = 10;
const nothing = new Uint8Array(0);

type Work =
  | { readonly type: 'entries'; readonly entries: readonly Entry[]; position: number }
  | { readonly type: 'snapshot'; readonly meta: SnapshotMeta };

export interface ApplierContext {
  readonly runtime: Runtime;
  readonly group: number;
  readonly keyspace: KeyspaceMachine;
  readonly snapshots: SnapshotStore;
  /** Whether somebody looks at the results of its commands. */
  readonly isAwaited: (entry: Entry) => boolean;
  readonly onApplied: (entry: Entry, results: readonly CommandResult[]) => void;
  readonly onInstalled: (meta: SnapshotMeta) => void;
  /** Everything up to this index is applied. */
  readonly onProgress: (index: number) => void;
  readonly askForTurn: () => void;
  readonly fail: (error: unknown) => void;
}

/** Feeds the keyspace: committed entries and installed snapshots, strictly in order. */
export class Applier {
  private readonly context: ApplierContext;
  private readonly queue: Work[] = [];
  private installing = false;
  /** Term of the last applied entry: what a snapshot made now must carry. */
  appliedTerm = 0;
  /** The stamp that is applied, and when this member's clock saw it first. */
  private stampMs = 0;
  private stampedAtMs: number;

  constructor(context: ApplierContext) {
    this.context = context;
    this.stampedAtMs = context.runtime.clock.monotonicMs();
  }

  /** About the cluster time now, as far as this member can tell alone. */
  timeMs(): number {
    const nowMs = this.context.runtime.clock.monotonicMs();
    this.noticeStamp(nowMs);
    return this.stampMs + (nowMs - this.stampedAtMs);
  }

  private noticeStamp(nowMs: number): void {
    const { timeMs } = this.context.keyspace;
    if (timeMs === this.stampMs) return;
    this.stampMs = timeMs;
    this.stampedAtMs = nowMs;
  }

  add(entries: readonly Entry[]): void {
    if (entries.length > 0) this.queue.push({ type: 'entries', entries, position: 0 });
  }

  addSnapshot(meta: SnapshotMeta): void {
    this.queue.push({ type: 'snapshot', meta });
  }

  run(): void {
    const { clock } = this.context.runtime;
    const startMs = clock.monotonicMs();
    const before = this.context.keyspace.appliedIndex;
    while (!this.installing) {
      const work = this.queue[0];
      if (!work) break;
      if (work.type === 'snapshot') {
        this.queue.shift();
        this.install(work.meta);
        break;
      }
      if (!this.applyReadable(work, startMs + turnBudgetMs)) {
        this.context.askForTurn();
        break;
      }
      this.queue.shift();
    }
    this.noticeStamp(startMs);
    if (this.context.keyspace.appliedIndex !== before)
      this.context.onProgress(this.context.keyspace.appliedIndex);
  }

  private applyReadable(work: Work & { type: 'entries' }, untilMs: number): boolean {
    try {
      return this.applySome(work, untilMs);
    } catch (error) {
      if (error instanceof MalformedData)
        throw unreadableEntry(this.context.keyspace.appliedIndex + 1, error);
      throw error;
    }
  }

  /** False when the time is up before the end. */
  private applySome(work: Work & { type: 'entries' }, untilMs: number): boolean {
    const { keyspace, runtime, isAwaited, onApplied } = this.context;
    while (work.position < work.entries.length) {
      const entry = work.entries[work.position++] as Entry;
      if (entry.index <= keyspace.appliedIndex) continue;
      if (entry.index !== keyspace.appliedIndex + 1) {
        throw new InvariantViolation(
          `Entry ${entry.index} cannot be applied: the keyspace stands at ${keyspace.appliedIndex}.`,
        );
      }
      const data = entry.kind === 'command' ? entry.data : nothing;
      const results = keyspace.apply(entry.index, data, isAwaited(entry));
      this.appliedTerm = entry.term;
      onApplied(entry, results);
      if (work.position < work.entries.length && runtime.clock.monotonicMs() > untilMs) return false;
    }
    return true;
  }

  private install(meta: SnapshotMeta): void {
    this.installing = true;
    this.load(meta)
      .then(() => {
        this.installing = false;
        this.context.onInstalled(meta);
        this.context.onProgress(meta.index);
        this.context.askForTurn();
      })
      .catch((error: unknown) => this.context.fail(error));
  }

  /** Puts the stored snapshot in place of the keyspace's state. Also used at start. */
  async load(meta: SnapshotMeta): Promise<void> {
    while (!(await this.loadLatest(meta)));
  }

  /** False when a newer one took its place under way. */
  private async loadLatest(meta: SnapshotMeta): Promise<boolean> {
    const { snapshots, group, keyspace } = this.context;
    const stored = await snapshots.latest(group);
    if (!stored || stored.meta.index < meta.index) {
      throw new InvariantViolation(`The snapshot at index ${meta.index} is not on disk.`);
    }
    const writer = keyspace.restore();
    try {
      for await (const chunk of stored.open()) writer.write(chunk);
    } catch (error) {
      if (ConclaveError.is(error, 'not-found')) return false;
      throw error;
    }
    try {
      writer.finish();
    } catch (error) {
      if (error instanceof MalformedData) throw unreadableSnapshot(stored.path, error);
      throw error;
    }
    this.appliedTerm = stored.meta.term;
    return true;
  }
}

/**
 * Its checksums are right, so it is what was written, and another program wrote it. To pass over it would leave this
 * replica with another state than those that can read it: the member stops.
 */
function unreadableEntry(index: number, cause: MalformedData): ConclaveError {
  return new ConclaveError(
    'data-incompatible',
    `Entry ${index} of the log is one that this version cannot read (${withoutStop(cause)}): another version of Conclave ` +
      'wrote it. Run the version that the other members run, or the one that ran on this data folder before.',
    { cause, details: { index } },
  );
}

function unreadableSnapshot(path: string, cause: MalformedData): ConclaveError {
  return new ConclaveError(
    'data-incompatible',
    `The snapshot '${path}' is whole, and holds what this version cannot read (${withoutStop(cause)}): another version of ` +
      'Conclave wrote it. Run that version on this data folder. To change to this one, save a backup that both read, or, ' +
      'while a majority of the other members runs this one, move the data folder away and have a new member in its ' +
      'place: conclave member replace.',
    { cause, details: { path } },
  );
}

function withoutStop({ message }: Error): string {
  return message.replace(/\.$/, '');
}
