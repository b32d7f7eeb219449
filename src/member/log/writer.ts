import { ConclaveError } from '../../errors/index.ts';
import type { Entry, GroupId, HardState, SnapshotMeta } from '../../raft/types.ts';
import type { Disk } from '../../runtime/index.ts';
import { ByteWriter } from './bytes.ts';
import { beginBatch, finishBatch, type LogRecord, writeRecord } from './format.ts';
import { GroupLog } from './group-log.ts';
import { type Segment, segmentName } from './segment.ts';

/** What changes in one group's log. The snapshot comes first, then the entries. */
export interface LogWrite {
  readonly group: GroupId;
  readonly hardState?: HardState | undefined;
  /** Replace everything stored from `entries[0].index` on. Their data must not change until the append resolves. */
  readonly entries: readonly Entry[];
  /** The group's log restarts after this index; the snapshot's own file is durable already. */
  readonly snapshot?: SnapshotMeta | undefined;
  /** Entries after the snapshot stay. Default false: it replaces the whole log of the group. */
  readonly keepsLog?: boolean | undefined;
}

export interface SealedSegment {
  readonly sequence: number;
  readonly bytes: number;
}

export interface WriterParts {
  readonly disk: Disk;
  readonly folder: string;
  readonly segmentBytes: number;
  /** The one to write to. */
  readonly segment: Segment;
  /** Those before it, rising. */
  readonly sealed: readonly SealedSegment[];
  readonly groups: Map<GroupId, GroupLog>;
  readonly create: (sequence: number) => Promise<Segment>;
}

/** Writes batches to the last segment, begins new ones and removes old ones. One call at a time. */
export class LogWriter {
  readonly #parts: WriterParts;
  readonly #groups: Map<GroupId, GroupLog>;
  readonly #batch = new ByteWriter();
  #segment: Segment;
  #sealed: readonly SealedSegment[];
  /** Made ahead, so that changing to it costs no more than a sync. */
  #next: Promise<Segment> | undefined;
  /** Something was written since the last batch that proves all before it durable. */
  #unproven = false;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#segment = parts.segment;
    this.#sealed = parts.sealed;
    this.#groups = parts.groups;
  }

  get bytes(): number {
    return this.#sealed.reduce((sum, segment) => sum + segment.bytes, this.#segment.end);
  }

  /** Durable when it resolves. */
  async write(writes: readonly LogWrite[]): Promise<void> {
    if (this.#segment.hasBatches && this.#segment.end + estimate(writes) > this.#parts.segmentBytes) {
      await this.#rotate();
    }
    beginBatch(this.#batch);
    if (!this.#segment.hasBatches) this.#addHead();
    for (const write of writes) this.#add(write);
    await this.#writeBatch(false);
    this.#unproven = true;
    if (this.#segment.end > this.#parts.segmentBytes / 2) this.#prepareNext();
  }

  /**
   * Segments that no group needs any more, oldest first. To be asked right after a write: then the head of
   * the last segment is durable, and with it all that the removed ones still told.
   */
  takeUnneeded(): number[] {
    let needed = this.#segment.header.sequence;
    for (const group of this.#groups.values()) needed = Math.min(needed, group.oldestSegment ?? needed);
    const unneeded = this.#sealed.filter(({ sequence }) => sequence < needed);
    this.#sealed = this.#sealed.slice(unneeded.length);
    return unneeded.map(({ sequence }) => sequence);
  }

  async remove(sequences: readonly number[]): Promise<void> {
    const { disk, folder } = this.#parts;
    for (const sequence of sequences) {
      await disk.remove(`${folder}/${segmentName(sequence)}`);
      // One by one: were a later one gone and an earlier one back after a crash, the log would seem to have a hole.
      await disk.syncFolder(folder);
    }
  }

  /** Says in the log that all before is durable, so that damage done to it while it is closed is recognised. */
  async finish(): Promise<void> {
    if (!this.#unproven) return;
    beginBatch(this.#batch);
    await this.#writeBatch(false);
    this.#unproven = false;
  }

  async closeFiles(): Promise<void> {
    const next = await this.#next?.catch(() => undefined);
    await next?.close();
    await this.#segment.close();
  }

  #add(write: LogWrite): void {
    const { group, hardState, snapshot, entries } = write;
    if (snapshot !== undefined) {
      this.#addRecord({ kind: 'snapshot', group, snapshot, keepsLog: write.keepsLog ?? false });
    }
    if (entries.length > 0) this.#addRecord({ kind: 'entries', group, entries });
    if (hardState !== undefined) this.#addRecord({ kind: 'hard-state', group, hardState });
  }

  #addRecord(record: LogRecord): void {
    let group = this.#groups.get(record.group);
    if (group === undefined) {
      group = new GroupLog(record.group);
      this.#groups.set(record.group, group);
    }
    const objection = group.objection(record);
    if (objection !== undefined) {
      throw new ConclaveError('internal', `The log was asked to store what cannot follow: ${objection}.`);
    }
    const { sequence, salt } = this.#segment.header;
    group.apply(record, sequence);
    writeRecord(this.#batch, salt, record);
  }

  #addHead(): void {
    for (const group of this.#groups.values()) {
      for (const record of group.head()) writeRecord(this.#batch, this.#segment.header.salt, record);
    }
  }

  #writeBatch(seals: boolean): Promise<void> {
    const { end, header } = this.#segment;
    const batch = finishBatch(this.#batch, header.salt, { offset: end, durableUpTo: end, seals });
    return this.#segment.write(batch);
  }

  async #rotate(): Promise<void> {
    const next = await this.#takeNext();
    const old = this.#segment;
    beginBatch(this.#batch);
    await this.#writeBatch(true);
    await old.trim();
    await old.close();
    this.#sealed = [...this.#sealed, { sequence: old.header.sequence, bytes: old.end }];
    this.#segment = next;
  }

  #prepareNext(): void {
    if (this.#next !== undefined) return;
    this.#next = this.#parts.create(this.#segment.header.sequence + 1);
    // Whoever takes it meets the error.
    this.#next.catch(() => {});
  }

  async #takeNext(): Promise<Segment> {
    const prepared = this.#next;
    this.#next = undefined;
    try {
      if (prepared !== undefined) return await prepared;
    } catch (error) {
      // There may be room again. Any other failure is final.
      if (!ConclaveError.is(error, 'disk-full')) throw error;
    }
    return this.#parts.create(this.#segment.header.sequence + 1);
  }
}

/** About how many bytes the writes take, rather more than less. */
function estimate(writes: readonly LogWrite[]): number {
  let bytes = 0;
  for (const write of writes) {
    bytes += 256;
    for (const entry of write.entries) bytes += 13 + entry.data.length;
  }
  return bytes;
}
