import {
  batchHeaderBytes,
  batchMagic,
  checkRecord,
  type LogRecord,
  readBatchHeader,
  readRecord,
  readSegmentHeader,
  segmentHeaderBytes,
} from '../../member/log/format.ts';
import type { Entry, GroupId, HardState } from '../../raft/types.ts';
import type { MemoryFileData } from '../../runtime/virtual/index.ts';
import type { BatchesRead, BatchRead } from './batches-read.ts';

/** Bytes from which a member must not start. */
export class Refused extends Error {}

export interface SegmentOnPlatter {
  readonly sequence: number;
  readonly file: MemoryFileData;
}

export interface LogIdentity {
  readonly clusterId: number;
  readonly memberId: number;
}

/**
 * One group's part of a log as the bytes of its segments tell it, taken in batch by batch as they become durable.
 * Written anew rather than taken from the member, whose own reading it is to check.
 */
export class LogReading {
  hardState: HardState = { term: 0, votedFor: 0, commitIndex: 0 };
  /** The snapshot that the log says it builds on; 0: none. */
  markedIndex = 0;
  markedTerm = 0;
  lastIndex = 0;
  readonly #group: GroupId;
  readonly #identity: LogIdentity;
  readonly #segments: SegmentOnPlatter[];
  readonly #known: BatchesRead;
  /** Which segment is read now, and from where on. */
  #at = 0;
  #end = segmentHeaderBytes;
  #salt: number | undefined;
  #sealed = false;
  /** `#entries[0]` has this index. */
  #firstIndex = 1;
  #entries: Entry[] = [];

  constructor(
    group: GroupId,
    identity: LogIdentity,
    segments: readonly SegmentOnPlatter[],
    known: BatchesRead,
  ) {
    this.#group = group;
    this.#known = known;
    this.#identity = identity;
    this.#segments = [...segments];
  }

  entryAt(index: number): Entry | undefined {
    return this.#entries[index - this.#firstIndex];
  }

  /** A segment was made behind the others. */
  extended(segment: SegmentOnPlatter): void {
    this.#segments.push(segment);
  }

  isNext(names: readonly number[]): boolean {
    const { length } = this.#segments;
    return names.length === length + 1 && this.#segments.every(({ sequence }, at) => names[at] === sequence);
  }

  /**
   * These bytes changed. `further`: there are new batches; `anew`: what was read already may have changed;
   * `nothing`: they are of no segment.
   */
  touchedBy(file: MemoryFileData, start: number, end: number): 'nothing' | 'further' | 'anew' {
    const at = this.#segments.findIndex((segment) => segment.file === file);
    if (at === -1 || end <= start) return 'nothing';
    return at === this.#at && !this.#sealed && start === this.#end ? 'further' : 'anew';
  }

  /**
   * Reads all segments from their beginnings, as a member does that starts.
   *
   * @throws Refused, MalformedBytes
   */
  readWhole(): void {
    this.advance(wholeFile);
    this.#checkEnd();
  }

  /**
   * Takes in all whole batches from where it stands.
   *
   * @param bytesOf enough of a segment to find new batches in. Default: up to the last byte written.
   * @throws Refused, MalformedBytes
   */
  advance(bytesOf = (file: MemoryFileData): Uint8Array => file.platter()): void {
    for (;;) {
      const segment = this.#segments[this.#at];
      if (segment === undefined) return;
      const bytes = bytesOf(segment.file);
      const salt = this.#saltOf(segment, bytes);
      while (!this.#sealed && this.#takeBatch(segment.file, bytes, salt)) {}
      if (!this.#sealed || this.#at === this.#segments.length - 1) return;
      this.#at += 1;
      this.#end = segmentHeaderBytes;
      this.#salt = undefined;
      this.#sealed = false;
    }
  }

  /** Whether what follows the last whole batch may be cut off, and nothing is missing. */
  #checkEnd(): void {
    const first = this.#segments[0];
    if (first === undefined) return;
    for (const [at, { sequence }] of this.#segments.entries()) {
      if (sequence !== first.sequence + at) throw new Refused(`segment ${first.sequence + at} is missing`);
    }
    const segment = this.#segments[this.#at] as SegmentOnPlatter;
    if (this.#at === 0 && first.sequence > 1 && this.#end === segmentHeaderBytes) {
      throw new Refused('the first segment holds nothing, and those before it are missing');
    }
    if (!this.#sealed) this.#checkTail(extended(segment.file, batchHeaderBytes));
    const later = this.#segments.slice(this.#at + 1);
    const [next] = later;
    if (next !== undefined) {
      const bytes = extended(next.file, segmentHeaderBytes);
      this.#headerOf(next, bytes);
      if (later.length > 1 || bytes.subarray(segmentHeaderBytes).some((byte) => byte !== 0)) {
        throw new Refused(`segment ${segment.sequence} has no end, but there is a later one`);
      }
    }
    const expected = this.markedIndex + 1;
    const missing = this.#entries.length === 0 ? this.lastIndex >= expected : this.#firstIndex !== expected;
    if (missing) throw new Refused(`entries from ${expected} on are missing`);
  }

  #checkTail(bytes: Uint8Array): void {
    const searched = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = searched.indexOf(batchMagic, this.#end + 1);
    for (; at !== -1; at = searched.indexOf(batchMagic, at + 1)) {
      const header = readBatchHeader(bytes, at, this.#salt ?? 0);
      if (header !== undefined && header.durableUpTo > this.#end) {
        throw new Refused(`what stands at ${this.#end} was durable, and is not what was written`);
      }
    }
  }

  #saltOf(segment: SegmentOnPlatter, bytes: Uint8Array): number {
    this.#salt ??= this.#headerOf(segment, bytes);
    return this.#salt;
  }

  #headerOf({ sequence }: SegmentOnPlatter, bytes: Uint8Array): number {
    const header = readSegmentHeader(bytes);
    if (header === undefined || 'newerVersion' in header || header.sequence !== sequence) {
      throw new Refused(`segment ${sequence} has no true header`);
    }
    const { clusterId, memberId } = this.#identity;
    if (header.clusterId !== clusterId || header.memberId !== memberId) {
      throw new Refused(`segment ${sequence} is another member's`);
    }
    return header.salt;
  }

  #takeBatch(file: MemoryFileData, bytes: Uint8Array, salt: number): boolean {
    let batch = this.#known.find(file, this.#end, salt);
    if (batch === undefined) {
      batch = readBatch(bytes, this.#end, salt);
      if (batch === undefined) return false;
      this.#known.add(file, batch);
    }
    for (const record of batch.records) this.#take(record);
    this.#end = batch.end;
    this.#sealed = batch.seals;
    return true;
  }

  #take(record: LogRecord): void {
    if (record.group !== this.#group) return;
    if (record.kind === 'hard-state') this.hardState = record.hardState;
    else if (record.kind === 'entries') this.#takeEntries(record.entries);
    else if (record.kind === 'snapshot') {
      this.#takeSnapshot(record.snapshot.index, record.snapshot.term, record.keepsLog);
    } else if (this.#at === 0 && this.#entries.length === 0) {
      this.lastIndex = record.lastIndex;
      this.#firstIndex = record.lastIndex + 1;
    } else if (record.lastIndex !== this.lastIndex) {
      throw new Refused(`the log ends at ${this.lastIndex}, where ${record.lastIndex} was said`);
    }
  }

  #takeEntries(entries: readonly Entry[]): void {
    const first = entries[0]?.index;
    if (first === undefined) return;
    if (first > this.lastIndex + 1 || first <= this.markedIndex) {
      throw new Refused(`entries from ${first} on cannot follow ${this.lastIndex}`);
    }
    if (first < this.#firstIndex) {
      this.#firstIndex = first;
      this.#entries = [];
    }
    this.#entries.length = first - this.#firstIndex;
    for (const entry of entries) this.#entries.push(entry);
    this.lastIndex = first + entries.length - 1;
  }

  #takeSnapshot(index: number, term: number, keepsLog: boolean): void {
    this.markedIndex = index;
    this.markedTerm = term;
    if (!keepsLog || this.lastIndex <= index) {
      this.lastIndex = index;
      this.#entries = [];
      this.#firstIndex = index + 1;
    } else if (this.#firstIndex <= index) {
      this.#entries.splice(0, index + 1 - this.#firstIndex);
      this.#firstIndex = index + 1;
    }
  }
}

/** undefined: no whole batch begins there. */
function readBatch(bytes: Uint8Array, start: number, salt: number): BatchRead | undefined {
  const batch = readBatchHeader(bytes, start, salt);
  if (batch === undefined) return undefined;
  const first = start + batchHeaderBytes;
  const end = first + batch.bodyBytes;
  const places: number[] = [];
  for (let at = first; at < end; ) {
    const next = checkRecord(bytes, at, Math.min(end, bytes.length), salt);
    if (next === undefined) return undefined;
    places.push(at);
    at = next;
  }
  return { start, end, salt, seals: batch.seals, records: places.map((at) => readRecord(bytes, at)) };
}

/** Far more than any batch of a life. */
const mostZeros = 1024 * 1024;

/** With zeros that were never written: after a crash a batch may end with sectors of them and be whole. */
function wholeFile(file: MemoryFileData): Uint8Array {
  return extended(file, mostZeros);
}

/** With so many of those zeros, as far as the file is so long. */
function extended(file: MemoryFileData, zeros: number): Uint8Array {
  const stored = file.platter();
  const bytes = new Uint8Array(Math.min(file.platterBytes, stored.length + zeros));
  bytes.set(stored);
  return bytes;
}
