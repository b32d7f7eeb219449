import { ConclaveError } from '../../errors/index.ts';
import type { GroupId, SnapshotMeta } from '../../raft/types.ts';
import type { Disk, File } from '../../runtime/index.ts';
import { MalformedBytes } from '../log/bytes.ts';
import { crc32c } from '../log/crc32c.ts';
import {
  chunkHeaderBytes,
  decodeChunkHeader,
  decodeHeader,
  decodeTrailer,
  encodeHeader,
  headerLength,
  headerStartBytes,
  type SnapshotHeader,
  trailerBytes,
} from './format.ts';
import { FileSink, type SnapshotSink } from './sink.ts';

export interface StoredSnapshot {
  readonly meta: SnapshotMeta;
  /** Of its content. */
  readonly sizeBytes: number;
  /**
   * The content, each chunk checked before it is given out.
   *
   * @throws ConclaveError 'data-damaged' (file and offset in the message); 'not-found' when a newer snapshot has
   * taken its place since; 'disk-failed'.
   */
  open(): AsyncIterable<Uint8Array>;
}

const suffix = '.snapshot';
const unfinishedSuffix = '.new';

/** The snapshots of all groups of a member. */
export class SnapshotStore {
  readonly #disk: Disk;
  readonly #folder: string;
  #created = 0;

  constructor(options: { disk: Disk; folder: string }) {
    this.#disk = options.disk;
    this.#folder = options.folder;
  }

  /** Makes the folder, and clears away what a crash left: unfinished snapshots, and those that have a successor. */
  async start(): Promise<void> {
    const disk = this.#disk;
    await disk.makeFolder(this.#folder);
    for (const name of await disk.list(this.#folder)) {
      if (name.endsWith(unfinishedSuffix)) await disk.remove(`${this.#folder}/${name}`);
    }
    // A crash may have come between a renaming and its becoming durable.
    await disk.syncFolder(this.#folder);
    for (const group of new Set((await this.#list()).map((found) => found.group))) {
      const newest = (await this.#list(group)).at(-1);
      if (newest !== undefined && (await this.#inspect(newest.path)) !== undefined)
        await this.#removeOlder(group);
    }
  }

  /** Begins a snapshot. @throws ConclaveError 'disk-failed', 'disk-full'. */
  async create(group: GroupId, meta: SnapshotMeta): Promise<SnapshotSink> {
    const disk = this.#disk;
    const path = `${this.#folder}/${group}-${String(meta.index).padStart(16, '0')}${suffix}`;
    const unfinished = `${path}.${this.#created++}${unfinishedSuffix}`;
    const discard = async (): Promise<void> => disk.remove(unfinished);
    const publish = async (): Promise<void> => {
      await disk.rename(unfinished, path);
      await disk.syncFolder(this.#folder);
      await this.#removeOlder(group);
    };
    const header = encodeHeader(group, meta);
    const file = await disk.open(unfinished, { exclusive: true });
    try {
      await file.writeAt(0, [header.bytes]);
    } catch (error) {
      await file.close();
      await discard();
      throw error;
    }
    return new FileSink({ file, header, publish, discard });
  }

  /**
   * The newest durable snapshot of the group; undefined when there is none.
   *
   * @throws ConclaveError 'data-damaged' where it is not what was written, 'data-incompatible', 'disk-failed'.
   */
  async latest(group: GroupId): Promise<StoredSnapshot | undefined> {
    for (;;) {
      const newest = (await this.#list(group)).at(-1);
      if (newest === undefined) return undefined;
      const { path } = newest;
      try {
        const found = await this.#inspect(path);
        if (found === undefined || found.header.group !== group || found.header.meta.index !== newest.index) {
          throw damaged(path, 0, 'its header or its end is not what was written');
        }
        const { header, sizeBytes } = found;
        return { meta: header.meta, sizeBytes, open: () => readChunks(this.#disk, path, header) };
      } catch (error) {
        // A newer one took its place between the listing and the reading.
        if (!ConclaveError.is(error, 'not-found')) throw error;
      }
    }
  }

  /** Rising by group and index. */
  async #list(group?: GroupId): Promise<{ group: GroupId; index: number; path: string }[]> {
    const found = [];
    for (const name of await this.#disk.list(this.#folder)) {
      const match = /^(\d+)-(\d{16})\.snapshot$/.exec(name);
      if (match === null || (group !== undefined && Number(match[1]) !== group)) continue;
      found.push({ group: Number(match[1]), index: Number(match[2]), path: `${this.#folder}/${name}` });
    }
    return found.sort((a, b) => a.group - b.group || a.index - b.index);
  }

  async #removeOlder(group: GroupId): Promise<void> {
    for (const older of (await this.#list(group)).slice(0, -1)) {
      try {
        await this.#disk.remove(older.path);
      } catch (error) {
        // Two snapshots of a group may be published at once: one made here, one received.
        if (!ConclaveError.is(error, 'not-found')) throw error;
      }
    }
  }

  /** Header and size; undefined where header or end are not what was written. */
  async #inspect(path: string): Promise<{ header: SnapshotHeader; sizeBytes: number } | undefined> {
    await using file = await this.#disk.open(path);
    try {
      return await inspect(path, file);
    } catch (error) {
      if (error instanceof MalformedBytes) return undefined;
      throw error;
    }
  }
}

/** @throws MalformedBytes */
async function inspect(
  path: string,
  file: File,
): Promise<{ header: SnapshotHeader; sizeBytes: number } | undefined> {
  const size = await file.size();
  const length = headerLength(await file.readAt(0, headerStartBytes));
  if (length === undefined || size < length + trailerBytes) return undefined;
  const header = decodeHeader(path, await file.readAt(0, length));
  const trailer = await file.readAt(size - trailerBytes, trailerBytes);
  if (header === undefined || !decodeChunkHeader(trailer).isTrailer) return undefined;
  const { chunks, dataBytes } = decodeTrailer(trailer);
  if (size !== length + chunks * chunkHeaderBytes + dataBytes + trailerBytes) return undefined;
  return { header, sizeBytes: dataBytes };
}

async function* readChunks(disk: Disk, path: string, header: SnapshotHeader): AsyncGenerator<Uint8Array> {
  await using file = await disk.open(path);
  const size = await file.size();
  let position = header.bytes;
  let { crc } = header;
  let next = await file.readAt(position, chunkHeaderBytes);
  for (;;) {
    if (next.length < chunkHeaderBytes) throw damaged(path, position, 'it ends too early');
    const stated = decodeChunkHeader(next);
    const length = stated.isTrailer ? trailerBytes - chunkHeaderBytes : stated.length;
    if (length > size - position - chunkHeaderBytes) throw damaged(path, position, 'it ends too early');
    // With the header of the chunk after it: one read for each chunk.
    const read = await file.readAt(position + chunkHeaderBytes, length + chunkHeaderBytes);
    crc = crc32c(read, 0, length, crc32c(next, 4, chunkHeaderBytes, crc));
    if (crc !== stated.crc) throw damaged(path, position, 'what stands there is not what was written');
    if (stated.isTrailer) return;
    position += chunkHeaderBytes + length;
    next = read.subarray(length);
    yield read.subarray(0, length);
  }
}

function damaged(path: string, offset: number, what: string): ConclaveError {
  return new ConclaveError(
    'data-damaged',
    `The snapshot '${path}' is damaged at offset ${offset}: ${what}. Check the disk. While a majority of the other ` +
      'members runs, move the data folder of this one away and start it again: it gets everything from them.',
    { details: { path, offset } },
  );
}
