import { ConclaveError } from '../../errors/index.ts';
import type { Disk, File } from '../../runtime/index.ts';
import { ByteWriter } from './bytes.ts';
import { readSegmentHeader, type SegmentHeader, segmentHeaderBytes, writeSegmentHeader } from './format.ts';
import type { SegmentScan } from './scan.ts';

/**
 * Files grow by this much at a time, and ahead: where a write changes neither the size nor what belongs to the file, its
 * sync takes about half the time and half of the processor's (ext4: no commit of the journal).
 */
const growBytes = 1024 * 1024;
/** Fewer batches than this in so much: they are long, and would pay more for the zeros than a sync costs. */
const batchesWorthZeros = 8;
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
    await file.extend(0, sizeBytes);
    const bytes = new ByteWriter(segmentHeaderBytes);
    writeSegmentHeader(bytes, header);
    await file.writeAt(0, [bytes.written()]);
    await file.sync();
    await disk.rename(unfinished, path);
    await disk.syncFolder(folder);
    const growing = await disk.open(path, { durableWrites: true });
    return new Segment({ file, growing }, header, segmentBytes, { end: segmentHeaderBytes, sizeBytes });
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
  const path = `${folder}/${segmentName(header.sequence)}`;
  const file = await disk.open(path, { durableWrites: true });
  try {
    // Remains of a torn write must not be found behind what is written next.
    if (torn) await file.truncate(end);
    // The last batch may be in the system's memory only, and after a sync that failed the system would not write it
    // again by itself.
    await file.writeAt(provenUpTo, [bytes.subarray(provenUpTo, end)]);
    await file.sync();
    const sizeBytes = torn ? end : bytes.length;
    const growing = await disk.open(path, { durableWrites: true });
    return new Segment({ file, growing }, header, segmentBytes, { end, sizeBytes });
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

/**
 * One file, opened twice: batches are written beside its growing, and the system tells a failure of what was written
 * once for each opening. So it is never the growing that is told of a batch which did not reach the disk.
 */
interface SegmentFiles {
  readonly file: File;
  readonly growing: File;
}

/** A segment that is written to. */
export class Segment implements AsyncDisposable {
  readonly header: SegmentHeader;
  readonly #file: File;
  readonly #growingFile: File;
  readonly #growBytes: number;
  readonly #segmentBytes: number;
  #sizeBytes: number;
  #growing: Promise<void> | undefined;
  #batchesSinceGrown = batchesWorthZeros;
  /** Where the next batch goes. Everything before is durable, since each write is. */
  end: number;

  constructor(
    { file, growing }: SegmentFiles,
    header: SegmentHeader,
    segmentBytes: number,
    at: { end: number; sizeBytes: number },
  ) {
    this.#file = file;
    this.#growingFile = growing;
    this.header = header;
    this.#growBytes = Math.min(growBytes, segmentBytes);
    this.#segmentBytes = segmentBytes;
    this.end = at.end;
    this.#sizeBytes = at.sizeBytes;
  }

  get hasBatches(): boolean {
    return this.end > segmentHeaderBytes;
  }

  /** Durable when it resolves: one call of the system writes and syncs. */
  async write(batch: Uint8Array): Promise<void> {
    const end = this.end + batch.length;
    // What is being grown must not be written to: the zeros may come after.
    while (end > this.#sizeBytes) await this.#grow(end);
    await this.#file.writeAt(this.end, [batch]);
    this.end = end;
    this.#batchesSinceGrown += 1;
    if (this.#growing === undefined && this.#runsOut) {
      // Whoever needs the room meets the error.
      this.#grow(this.#sizeBytes + this.#growBytes).catch(() => {});
    }
  }

  get #runsOut(): boolean {
    const isLast = this.#sizeBytes + this.#growBytes > this.#segmentBytes;
    return !isLast && this.#sizeBytes - this.end < this.#growBytes / 2;
  }

  /** To `end` at least, unless it is growing already. */
  #grow(end: number): Promise<void> {
    this.#growing ??= this.#growTo(Math.ceil(end / this.#growBytes) * this.#growBytes).finally(() => {
      this.#growing = undefined;
    });
    return this.#growing;
  }

  async #growTo(sizeBytes: number): Promise<void> {
    const worthZeros = this.#batchesSinceGrown >= batchesWorthZeros;
    this.#batchesSinceGrown = 0;
    if (worthZeros) await this.#growingFile.extend(this.#sizeBytes, sizeBytes);
    else await this.#growingFile.truncate(sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  /** Gives back what the file was grown by beyond its last batch. Durable when it resolves. */
  async trim(): Promise<void> {
    await this.#growing?.catch(() => {});
    await this.#file.truncate(this.end);
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#growing?.catch(() => {});
    await this.#growingFile.close();
    await this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
