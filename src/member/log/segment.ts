import { ConclaveError } from '../../errors/index.ts';
import type { Disk, File } from '../../runtime/index.ts';
import { ByteWriter } from './bytes.ts';
import { readSegmentHeader, type SegmentHeader, segmentHeaderBytes, writeSegmentHeader } from './format.ts';
import type { SegmentScan } from './scan.ts';

/**
 * Files grow by this much at a time: where a write does not change the size, its sync is cheaper (measured: a fifth
 * at the median, more on a disk that others use).
 */
const growBytes = 1024 * 1024;
const suffix = '.log';
/** A segment gets its name only when its header is durable, so a named one without a header is damaged. */
const unfinishedSuffix = '.new';

export function segmentName(sequence: number): string {
  return `${String(sequence).padStart(16, '0')}${suffix}`;
}

/** Sequence numbers of the segments in the folder, rising. Removes what a crash left unfinished. */
export async function listSegments(disk: Disk, folder: string): Promise<number[]> {
  const sequences: number[] = [];
  for (const name of await disk.list(folder)) {
    if (name.endsWith(unfinishedSuffix)) await disk.remove(`${folder}/${name}`);
    else if (/^\d{16}\.log$/.test(name)) sequences.push(Number(name.slice(0, -suffix.length)));
  }
  return sequences.sort((a, b) => a - b);
}

/** Makes a segment and gives it its name, all durable. */
export async function createSegment(
  disk: Disk,
  folder: string,
  header: SegmentHeader,
  segmentBytes: number,
): Promise<Segment> {
  const path = `${folder}/${segmentName(header.sequence)}`;
  const unfinished = `${path}${unfinishedSuffix}`;
  const file = await disk.open(unfinished, { create: true, ownerOnly: true, durableWrites: true });
  try {
    await file.truncate(0);
    const sizeBytes = Math.min(growBytes, segmentBytes);
    await file.truncate(sizeBytes);
    const bytes = new ByteWriter(segmentHeaderBytes);
    writeSegmentHeader(bytes, header);
    await file.writeAt(0, [bytes.written()]);
    await file.sync();
    await disk.rename(unfinished, path);
    await disk.syncFolder(folder);
    return new Segment(file, header, segmentBytes, { end: segmentHeaderBytes, sizeBytes });
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}

/** A segment as it was found at start. */
export interface ReadSegment {
  readonly bytes: Uint8Array;
  readonly header: SegmentHeader;
  readonly scan: SegmentScan;
}

/** Takes up a segment that was read, to be written after its last whole batch. Makes durable what was read of it. */
export async function reopenSegment(
  disk: Disk,
  folder: string,
  segmentBytes: number,
  { bytes, header, scan }: ReadSegment,
): Promise<Segment> {
  const { end, provenUpTo } = scan;
  const torn = scan.tailBytes > 0;
  const file = await disk.open(`${folder}/${segmentName(header.sequence)}`, { durableWrites: true });
  try {
    // Remains of a torn write must not be found behind what is written next.
    if (torn) await file.truncate(end);
    // The last batch may be in the system's memory only, and after a sync that failed the system would not write it
    // again by itself.
    await file.writeAt(provenUpTo, [bytes.subarray(provenUpTo, end)]);
    await file.sync();
    const sizeBytes = torn ? end : bytes.length;
    return new Segment(file, header, segmentBytes, { end, sizeBytes });
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}

/** Reads a whole segment. @throws ConclaveError 'data-damaged', 'data-incompatible' */
export async function readSegment(
  disk: Disk,
  folder: string,
  sequence: number,
): Promise<{ bytes: Uint8Array; header: SegmentHeader }> {
  const path = `${folder}/${segmentName(sequence)}`;
  const bytes = await disk.read(path);
  const header = readSegmentHeader(bytes);
  if (header === undefined) throw damaged(folder, sequence, 0, 'its header is not what was written');
  if ('newerVersion' in header) {
    throw new ConclaveError(
      'data-incompatible',
      `'${path}' has format ${header.newerVersion}, which this version does not read: run the newer version.`,
    );
  }
  if (header.sequence !== sequence) {
    throw damaged(folder, sequence, 0, `it was written as segment ${header.sequence}`);
  }
  return { bytes, header };
}

export function damaged(folder: string, sequence: number, offset: number, what: string): ConclaveError {
  const segment = segmentName(sequence);
  return new ConclaveError(
    'data-damaged',
    `The log in '${folder}' is damaged: segment ${segment}, offset ${offset}: ${what}. What it held may have been ` +
      'acknowledged to others, so this member must not go on with the rest. Check the disk. While a majority of the ' +
      'other members runs, move the data folder of this one away, and have a new one in its place: conclave member replace.',
    { details: { segment, offset } },
  );
}

/** A segment that is written to. */
export class Segment {
  readonly header: SegmentHeader;
  readonly #file: File;
  readonly #growBytes: number;
  #sizeBytes: number;
  /** Where the next batch goes. Everything before is durable, since each write is. */
  end: number;

  constructor(
    file: File,
    header: SegmentHeader,
    segmentBytes: number,
    at: { end: number; sizeBytes: number },
  ) {
    this.#file = file;
    this.header = header;
    this.#growBytes = Math.min(growBytes, segmentBytes);
    this.end = at.end;
    this.#sizeBytes = at.sizeBytes;
  }

  get hasBatches(): boolean {
    return this.end > segmentHeaderBytes;
  }

  /** Durable when it resolves: one call of the system writes and syncs. */
  async write(batch: Uint8Array): Promise<void> {
    const end = this.end + batch.length;
    if (end > this.#sizeBytes) {
      const sizeBytes = Math.ceil(end / this.#growBytes) * this.#growBytes;
      await this.#file.truncate(sizeBytes);
      this.#sizeBytes = sizeBytes;
    }
    await this.#file.writeAt(this.end, [batch]);
    this.end = end;
  }

  /** Gives back what the file was grown by beyond its last batch. Durable when it resolves. */
  async trim(): Promise<void> {
    await this.#file.truncate(this.end);
    await this.#file.sync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
