import type { AutoCompaction } from '../../member/index.ts';
import { type CheckerParts, WorkloadChecker } from './workload-checker.ts';

/** Of the time to be kept; the rest is what clocks may differ by, and how seldom members look. */
const keptShare = 0.9;

/** What leaders compact by themselves, held against what they were told to keep. That clients' compactions are right, the log witness sees. */
export class Compactions extends WorkloadChecker {
  readonly name = 'compactions';
  readonly claim =
    'A leader that compacts by itself keeps the revisions, or the time, that it was told to keep.';
  readonly #setting: AutoCompaction | undefined;
  /** By time: when each revision was the newest first. */
  readonly #reached: { readonly revision: number; readonly atUs: number }[] = [];
  #seen = 0;

  constructor(parts: CheckerParts, setting: AutoCompaction | undefined) {
    super(parts);
    this.#setting = setting;
  }

  override committed(entry: Parameters<WorkloadChecker['committed']>[0]): void {
    super.committed(entry);
    const { revision, compactions, compactRevision } = this.replay.model;
    if (this.#setting?.mode === 'periodic' && revision !== this.#reached.at(-1)?.revision)
      this.#reached.push({ revision, atUs: this.life.nowUs });
    if (compactions.length === this.#seen) return;
    this.history.compactions += compactions.length - this.#seen;
    this.#seen = compactions.length;
    const most = this.#most();
    if (compactRevision <= most) return;
    this.violated(
      `Entry ${entry.index} compacts to revision ${compactRevision} of ${revision}; no more than ${most} may go.`,
    );
  }

  /** The highest revision that may be compacted to now. */
  #most(): number {
    const { revision } = this.replay.model;
    if (this.#setting === undefined) return revision;
    if (this.#setting.mode === 'revision') return revision - this.#setting.retention;
    const beforeUs = this.life.nowUs - this.#setting.retentionMs * 1000 * keptShare;
    return this.#reached.findLast(({ atUs }) => atUs <= beforeUs)?.revision ?? 1;
  }
}
