import type { SegmentHeader } from './format.ts';
import {
  batchHeaderBytes,
  batchMagic,
  checkRecord,
  type LogRecord,
  readBatchHeader,
  readRecord,
  segmentHeaderBytes,
} from './format.ts';

export interface SegmentScan {
  /** Where the last whole batch ends. */
  readonly end: number;
  /** The segment is complete: its last batch says so. */
  readonly sealed: boolean;
  /** What its last whole batch says was durable before it. What follows may be in the system's memory only. */
  readonly provenUpTo: number;
  /** Bytes after `end` up to the last one that is not zero. */
  readonly tailBytes: number;
  /** Where the tail begins to be untrue although a later batch says that it was durable: not torn, but damaged. */
  readonly damagedAt: number | undefined;
}

/**
 * Reads a segment and gives the records of each whole batch, in order, to `onRecord`.
 *
 * After a crash the sectors of the last, unsynced writes may be there or not, in any combination. Whatever follows
 * the first batch that is not whole is therefore of no use; but if a true batch header further on says that the log
 * was durable beyond that place before it was written, then this was no crash, but the disk losing what it kept.
 */
export function scanSegment(
  bytes: Uint8Array,
  header: SegmentHeader,
  onRecord: (record: LogRecord, offset: number) => void,
): SegmentScan {
  const { salt } = header;
  let end = segmentHeaderBytes;
  let provenUpTo = end;
  let sealed = false;
  let brokenAt = end;
  while (!sealed) {
    const batch = readBatchHeader(bytes, end, salt);
    if (batch === undefined) {
      brokenAt = end;
      break;
    }
    const bodyEnd = end + batchHeaderBytes + batch.bodyBytes;
    const records: number[] = [];
    const whole = checkRecords(bytes, end + batchHeaderBytes, bodyEnd, salt, records);
    if (whole < bodyEnd) {
      brokenAt = whole;
      break;
    }
    for (const at of records) onRecord(readRecord(bytes, at), at);
    end = bodyEnd;
    brokenAt = end;
    provenUpTo = batch.durableUpTo;
    sealed = batch.seals;
  }
  const damaged = !sealed && durableAsStatedAfter(bytes, end, salt) > end;
  const tailBytes = lastNonZero(bytes, end) - end;
  return { end, sealed, provenUpTo, tailBytes, damagedAt: damaged ? brokenAt : undefined };
}

/** Collects where records begin, and returns up to where they are true. */
function checkRecords(bytes: Uint8Array, start: number, end: number, salt: number, found: number[]): number {
  let at = start;
  while (at < end) {
    const next = checkRecord(bytes, at, Math.min(end, bytes.length), salt);
    if (next === undefined) return at;
    found.push(at);
    at = next;
  }
  return at;
}

/** The highest offset that any batch header after `start` says was durable. */
function durableAsStatedAfter(bytes: Uint8Array, start: number, salt: number): number {
  const searched = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let highest = 0;
  for (
    let at = searched.indexOf(batchMagic, start + 1);
    at !== -1;
    at = searched.indexOf(batchMagic, at + 1)
  ) {
    const header = readBatchHeader(bytes, at, salt);
    if (header !== undefined) highest = Math.max(highest, header.durableUpTo);
  }
  return highest;
}

function lastNonZero(bytes: Uint8Array, start: number): number {
  let end = bytes.length;
  while (end > start && bytes[end - 1] === 0) end--;
  return end;
}
