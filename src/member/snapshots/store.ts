import { ConclaveError } from '../../errors/index.ts';
import type { GroupId, SnapshotMeta } from '../../raft/types.ts';
import type { Disk } from '../../runtime/index.ts';
import { MalformedBytes } from '../log/bytes.ts';
import { encodeHeader, type SnapshotHeader } from './format.ts';
import { damaged, inspect, readChunks } from './reading.ts';
import { FileSink, type SnapshotSink } from './sink.ts';

export interface StoredSnapshot {
  readonly path: string;
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
    await disk.makeFolder(this.#folder, { ownerOnly: true });
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
    const file = await disk.open(unfinished, { exclusive: true, ownerOnly: true });
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
        const open = () => readChunks(this.#disk, path, { header });
        return { path, meta: header.meta, sizeBytes, open };
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
