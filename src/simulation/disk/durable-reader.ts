import { posix } from 'node:path';
import { crc32 } from '../../member/log/crc32.ts';
import type { Entry, GroupId } from '../../raft/types.ts';
import { MemoryFileData } from '../../runtime/virtual/index.ts';
import type { DurableState } from '../observation.ts';
import { BatchesRead } from './batches-read.ts';
import { LogReading, type SegmentOnPlatter } from './log-reading.ts';
import type { PlatterWatcher, SimulatedDisk } from './simulated-disk.ts';
import { readNewestSnapshot } from './snapshot-reading.ts';

export interface DurableReaderOptions {
  readonly disk: SimulatedDisk;
  /** The member's data folder. */
  readonly folder: string;
  readonly clusterId: number;
  readonly memberId: number;
  readonly group: GroupId;
  /** What stands on the platter has changed, as far as it means anything to the group. Must not change anything. */
  readonly onChange?: () => void;
}

type Identity = Partial<Record<'formatVersion' | 'clusterId' | 'memberId' | 'name' | 'started', unknown>>;

/**
 * Raft's state of one group as a member would find it if its host lost power now and all that was not synced were
 * lost. Follows the platter as it changes; new batches of the log cost no more than themselves.
 */
export class DurableReader implements DurableState, PlatterWatcher {
  /** Why a member would not start from this; undefined: it would. The state is empty then. */
  refusal: string | undefined;
  term = 0;
  votedFor = 0;
  commitIndex = 0;
  snapshotIndex = 0;
  snapshotTerm = 0;
  lastIndex = 0;
  readonly #options: DurableReaderOptions;
  readonly #folder: string;
  readonly #logFolder: string;
  readonly #snapshotFolder: string;
  readonly #known = new BatchesRead();
  #log: LogReading;
  #latest: { readonly index: number; readonly term: number } | undefined;
  /** The log's entries count up to `lastIndex`; false: a newer snapshot has made them void. */
  #logCounts = true;

  constructor(options: DurableReaderOptions) {
    this.#options = options;
    this.#folder = posix.resolve('/', options.folder);
    this.#logFolder = `${this.#folder}/log`;
    this.#snapshotFolder = `${this.#folder}/snapshots`;
    this.#log = this.#reading([]);
    this.#readAll();
    options.disk.watch(this);
  }

  entryAt(index: number): Entry | undefined {
    if (!this.#logCounts || index > this.lastIndex) return undefined;
    return this.#log.entryAt(index);
  }

  /** Term of the last entry, which may be in the snapshot; 0: there is none. */
  get lastTerm(): number {
    return this.entryAt(this.lastIndex)?.term ?? this.snapshotTerm;
  }

  wrote(file: MemoryFileData, start: number, end: number): void {
    this.#known.changed(file, start);
    const touched = this.#log.touchedBy(file, start, end);
    if (touched === 'nothing') return;
    if (touched === 'anew') this.#readAll();
    else this.#attempt(() => this.#log.advance());
    this.#changed();
  }

  namesChanged(path: string): void {
    const folder = posix.resolve('/', path);
    if (folder === this.#logFolder) {
      if (!this.#extended()) this.#readAll();
    } else if (folder === this.#snapshotFolder) {
      if (this.refusal === undefined) this.#attempt(() => this.#readSnapshot());
      else this.#readAll();
    } else if (this.#folder.startsWith(folder)) this.#readAll();
    else return;
    this.#changed();
  }

  replaced(): void {
    this.#known.forget();
    this.#readAll();
    this.#changed();
  }

  #changed(): void {
    this.#options.onChange?.();
  }

  #readAll(): void {
    this.refusal = undefined;
    this.#log = this.#reading([]);
    this.#latest = undefined;
    this.#attempt(() => {
      const segments = this.#segments();
      this.#checkIdentity(segments.length > 0);
      this.#log = this.#reading(segments);
      this.#log.readWhole();
      this.#readSnapshot();
    });
  }

  /** Whether nothing but one more segment is there, which was taken note of. */
  #extended(): boolean {
    if (this.refusal !== undefined) return false;
    const sequences = this.#sequences();
    if (!this.#log.isNext(sequences)) return false;
    const segment = this.#segmentOf(sequences.at(-1) ?? 0);
    if (segment === undefined) return false;
    this.#log.extended(segment);
    this.#attempt(() => this.#log.advance());
    return true;
  }

  #attempt(read: () => void): void {
    try {
      read();
      this.#combine();
    } catch (error) {
      // Refusals, malformed bytes, newer formats: whatever it is, a member would not start from it either.
      this.refusal = error instanceof Error ? error.message : String(error);
      this.#log = this.#reading([]);
      this.#latest = undefined;
      this.#combine();
    }
  }

  #readSnapshot(): void {
    const { disk, group } = this.#options;
    this.#latest = readNewestSnapshot(disk.platter, this.#snapshotFolder, group);
  }

  /** Log and snapshot file brought together. The file may be newer than the log says, never older. */
  #combine(): void {
    const log = this.#log;
    const { hardState, markedIndex, markedTerm } = log;
    const latest = this.#latest ?? { index: 0, term: 0 };
    if (markedIndex > latest.index) {
      throw new Error(`the log builds on a snapshot at ${markedIndex}, but the newest is at ${latest.index}`);
    }
    this.term = hardState.term;
    this.votedFor = hardState.votedFor;
    this.commitIndex = hardState.commitIndex;
    this.snapshotIndex = latest.index;
    this.snapshotTerm = latest.term;
    if (latest.index === markedIndex) {
      this.snapshotTerm = latest.term || markedTerm;
      this.#logCounts = true;
      this.lastIndex = log.lastIndex;
      return;
    }
    this.#logCounts = log.entryAt(latest.index)?.term === latest.term;
    this.lastIndex = this.#logCounts ? log.lastIndex : latest.index;
    this.commitIndex = Math.max(hardState.commitIndex, latest.index);
    if (hardState.term >= latest.term) return;
    this.term = latest.term;
    this.votedFor = 0;
  }

  #checkIdentity(hasLog: boolean): void {
    const { disk, clusterId, memberId } = this.#options;
    const folder = this.#folder;
    const file = disk.platter.durable(`${folder}/identity.json`);
    if (file === undefined || file === 'folder') {
      const names = disk.platter.durableList(folder);
      if (names.includes('log') || names.includes('snapshots')) throw new Error('there is no identity');
      return;
    }
    const text = new TextDecoder('utf-8', { fatal: true }).decode(file.platter());
    if (!hasItsChecksum(text)) throw new Error('the checksum of the identity is another');
    const identity = JSON.parse(text) as Identity | null;
    const { formatVersion, name, started } = identity ?? {};
    const ours = identity?.clusterId === clusterId && identity.memberId === memberId;
    const readable = Number.isSafeInteger(formatVersion) && Number(formatVersion) <= 1;
    if (!ours || !readable || typeof name !== 'string' || typeof started !== 'boolean') {
      throw new Error('the identity is not what was written');
    }
    if (started && !hasLog) throw new Error('there is no segment, although the member has run');
  }

  #reading(segments: readonly SegmentOnPlatter[]): LogReading {
    return new LogReading(this.#options.group, this.#options, segments, this.#known);
  }

  #sequences(): number[] {
    return this.#options.disk.platter
      .durableList(this.#logFolder)
      .filter((name) => /^\d{16}\.log$/.test(name))
      .map((name) => Number(name.slice(0, 16)));
  }

  #segments(): SegmentOnPlatter[] {
    return this.#sequences().flatMap((sequence) => this.#segmentOf(sequence) ?? []);
  }

  #segmentOf(sequence: number): SegmentOnPlatter | undefined {
    const path = `${this.#logFolder}/${String(sequence).padStart(16, '0')}.log`;
    const file = this.#options.disk.platter.durable(path);
    return file instanceof MemoryFileData ? { sequence, file } : undefined;
  }
}

/** The last field is the checksum of the whole text with zeros in its place. */
function hasItsChecksum(text: string): boolean {
  const [, told] = /"crc32": "([0-9a-f]{8})"\n\}\n$/.exec(text) ?? [];
  if (told === undefined) return false;
  const at = text.length - '00000000"\n}\n'.length;
  const blank = `${text.slice(0, at)}00000000${text.slice(at + 8)}`;
  return crc32(new TextEncoder().encode(blank)) === Number.parseInt(told, 16);
}
