/** Reads a snapshot out of a file, which may hold other things around it. */
import { ConclaveError } from '../../errors/index.ts';
import type { Disk, File } from '../../runtime/index.ts';
import { crc32 } from '../log/crc32.ts';
import {
  chunkHeaderBytes,
  decodeChunkHeader,
  decodeHeader,
  decodeTrailer,
  headerLength,
  headerStartBytes,
  type SnapshotHeader,
  trailerBytes,
} from './format.ts';

/** Where in its file the snapshot stands. Default: it is all of the file. */
export interface Stretch {
  readonly start?: number;
  readonly end?: number;
}

/** Header and size of the content; undefined where header or end are not what was written. @throws MalformedBytes */
export async function inspect(
  path: string,
  file: File,
  within: Stretch = {},
): Promise<{ header: SnapshotHeader; sizeBytes: number } | undefined> {
  const start = within.start ?? 0;
  const end = within.end ?? (await file.size());
  const size = end - start;
  const length = headerLength(await file.readAt(start, headerStartBytes));
  if (length === undefined || size < length + trailerBytes) return undefined;
  const header = decodeHeader(path, await file.readAt(start, length));
  const trailer = await file.readAt(end - trailerBytes, trailerBytes);
  if (header === undefined || !decodeChunkHeader(trailer).isTrailer) return undefined;
  const { chunks, dataBytes } = decodeTrailer(trailer);
  if (size !== length + chunks * chunkHeaderBytes + dataBytes + trailerBytes) return undefined;
  return { header, sizeBytes: dataBytes };
}

/** The content, each chunk checked before it is given out. @throws ConclaveError 'data-damaged', 'disk-failed' */
export async function* readChunks(
  disk: Disk,
  path: string,
  of: { readonly header: SnapshotHeader } & Stretch,
): AsyncGenerator<Uint8Array> {
  await using file = await disk.open(path);
  const size = of.end ?? (await file.size());
  let position = (of.start ?? 0) + of.header.bytes;
  let { crc } = of.header;
  let next = await file.readAt(position, chunkHeaderBytes);
  for (;;) {
    if (next.length < chunkHeaderBytes) throw damaged(path, position, 'it ends too early');
    const stated = decodeChunkHeader(next);
    const length = stated.isTrailer ? trailerBytes - chunkHeaderBytes : stated.length;
    if (length > size - position - chunkHeaderBytes) throw damaged(path, position, 'it ends too early');
    // With the header of the chunk after it: one read for each chunk.
    const read = await file.readAt(position + chunkHeaderBytes, length + chunkHeaderBytes);
    crc = crc32(read, 0, length, crc32(next, 4, chunkHeaderBytes, crc));
    if (crc !== stated.crc) throw damaged(path, position, 'what stands there is not what was written');
    if (stated.isTrailer) return;
    position += chunkHeaderBytes + length;
    next = read.subarray(length);
    yield read.subarray(0, length);
  }
}

export function damaged(path: string, offset: number, what: string): ConclaveError {
  return new ConclaveError(
    'data-damaged',
    `The snapshot '${path}' is damaged at offset ${offset}: ${what}. Check the disk. While a majority of the other ` +
      'members runs, move the data folder of this one away, and have a new one in its place: conclave member replace.',
    { details: { path, offset } },
  );
}
