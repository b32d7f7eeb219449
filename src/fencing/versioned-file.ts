/** A file that only the newest leader can write. */
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { bytesOf } from './bytes.ts';
import { decodeVersion, encodeVersion, type VersionContent } from './format.ts';
import { VersionFolder } from './version-folder.ts';
import {
  type CheckedWriter,
  checkCount,
  checkFunction,
  checkLeadership,
  checkObject,
  checkToken,
  checkWriter,
  type FencedLeadership,
  type Writer,
} from './writer.ts';

export interface VersionedFileOptions {
  /** How many of the newest versions stay; 2 to 1000000, default 8. */
  readonly keepVersions?: number | undefined;
  readonly runtime?: Runtime | undefined;
}

export interface FileVersion {
  /** 1 for the first; 0: nothing was written yet (token 0, no data). */
  readonly version: number;
  /** The token that it was written with. */
  readonly token: number;
  /** The election that the token is from; '' where none was named. */
  readonly election: string;
  readonly data: Uint8Array;
  /** Newer versions that fail their checks, newest first; writes are refused while there are any. */
  readonly damaged: readonly number[];
}

export type WriteOptions = Writer & {
  /** The version that the writer has read: this write becomes the next one, or is refused. */
  readonly expectedVersion: number;
};

export interface Written {
  readonly version: number;
  readonly token: number;
}

const limitBytes = 2 ** 30;

/**
 * Opens the versioned file at `path`, in a folder that exists. Each version is a file `<path>.v<number>` that is
 * created exclusively and never changed, so a write is a compare-and-swap between processes, and a crash at any point
 * leaves the old version or the new one.
 *
 * Guarantees: of several writers that read one version, one succeeds; a token lower than one that wrote is refused;
 * a write that resolved survives a crash of the host. This holds whatever clocks and pauses do, on a POSIX file system
 * whose `link` is exclusive and whose `fsync` reaches the disk.
 *
 * A token counts as seen when it wrote. A new leader that only reads could see an older leader's write after it, and
 * would get 'version-conflict'; `claim` (or `update`) shuts older leaders out first.
 *
 * Not protected: files changed or deleted by others; NFS, where a client may cache a listing and repeat a `link`
 * whose answer was lost (the latter is recognised, the former is not; mount with `noac` and NFSv4 at least); file
 * systems without hard links, where writes fail.
 */
export function versionedFile(path: string, options: VersionedFileOptions = {}): VersionedFile {
  return new VersionedFile(path, options);
}

export class VersionedFile {
  readonly path: string;
  readonly #runtime: Runtime;
  readonly #folder: VersionFolder;
  readonly #keepVersions: number;
  /** Up to it the names are known to be on the disk, since this object has synced them. */
  #durableVersion = 0;

  /** @internal use `versionedFile` */
  constructor(path: string, options: VersionedFileOptions) {
    if (typeof path !== 'string' || path === '' || path.endsWith('/') || path.includes('\0')) {
      throw new ConclaveError('invalid-argument', `${JSON.stringify(path)} is not a path of a file.`);
    }
    this.path = path;
    this.#keepVersions = checkCount('keepVersions', options.keepVersions ?? 8, 2, 1_000_000);
    this.#runtime = options.runtime ?? nodeRuntime();
    this.#folder = new VersionFolder(this.#runtime.disk, path);
  }

  /**
   * The newest version that passes its checks.
   * @throws 'data-damaged' when none does; 'data-incompatible' for a newer format; 'disk-failed', 'not-found' (folder).
   */
  async read(): Promise<FileVersion> {
    for (;;) {
      const newest = await this.#folder.newest();
      if (newest === 0) return { version: 0, token: 0, election: '', data: new Uint8Array(0), damaged: [] };
      const content = await this.#load(newest);
      if (content === 'gone') continue;
      if (content !== 'damaged') return publicVersion(content, []);
      const damaged = [newest];
      for (const version of await this.#folder.olderThan(newest)) {
        const older = await this.#load(version);
        if (older === 'damaged') damaged.push(version);
        else if (older !== 'gone') return publicVersion(older, damaged);
      }
      throw this.#damagedError(newest);
    }
  }

  /**
   * Publishes `data` (at most 1 GiB; a string as UTF-8) as the version after `expectedVersion`, durably.
   *
   * @throws 'stale-token': a newer leader has written; 'version-conflict': `expectedVersion` is not the newest any
   * more, so read again; 'not-leading' from `assertHeld()`, which is checked although safety does not depend on it;
   * 'failed-precondition': the file is guarded by another election; 'data-damaged': the newest version is, so which
   * token it had is unknown; 'disk-full', 'disk-failed' (outcome 'unknown' when it failed while publishing).
   */
  async write(data: Uint8Array | string, options: WriteOptions): Promise<Written> {
    checkObject(
      'A write needs options: { leadership, expectedVersion }, or { token, expectedVersion }',
      options,
    );
    const bytes = bytesOf(`The data of a write to ${this.path}`, data);
    if (bytes.length > limitBytes) {
      throw new ConclaveError('too-large', `The data has ${bytes.length} bytes; the limit is ${limitBytes}.`);
    }
    const expectedVersion = checkCount(
      'expectedVersion',
      options.expectedVersion,
      0,
      Number.MAX_SAFE_INTEGER - 1,
    );
    const writer = checkWriter(options);
    writer.assertHeld();
    const newest = await this.#newestForWriting();
    this.#checkWrite(writer, expectedVersion, newest);
    const version = expectedVersion + 1;
    const nonce = this.#runtime.random.bytes(16);
    const election = writer.election || newest.election;
    const content: VersionContent = { version, token: writer.token, election, nonce, data: bytes };
    const unique = Array.from(nonce, (byte) => byte.toString(16).padStart(2, '0')).join('');
    const temporary = await this.#folder.prepare(version, unique, encodeVersion(content));
    try {
      await this.#publish(temporary, content, writer, expectedVersion);
    } finally {
      await this.#folder.discard(temporary);
    }
    // What fails here does not concern the write: the next one collects.
    await this.#folder.collect(this.#keepVersions).catch(() => {});
    return { version, token: writer.token };
  }

  /**
   * Publishes the present data under this leadership's token, so that from here on every older leader is refused,
   * even before the first real write. Nothing happens where the newest version has this token already.
   * @throws as `write`, but never 'version-conflict'.
   */
  async claim(leadership: FencedLeadership): Promise<FileVersion> {
    const writer = checkLeadership(leadership);
    for (;;) {
      writer.assertHeld();
      const current = await this.read();
      const mine = current.token === leadership.token && current.election === leadership.name;
      if (mine && current.version > 0 && current.damaged.length === 0) {
        // A write under way, or one whose sync failed, may have published it: what is claimed must stay.
        if (current.version > this.#durableVersion) await this.#sync(current.version);
        return current;
      }
      const written = await this.#writeUnlessConflict(current.data, leadership, current.version);
      if (written !== undefined) return { ...current, ...written, election: leadership.name };
    }
  }

  /**
   * Claims the file, then replaces its data by what `change` makes of it; calls `change` again when another write of
   * this same leadership came between.
   * @throws as `claim`, and what `change` throws.
   */
  async update(
    leadership: FencedLeadership,
    change: (current: FileVersion) => Uint8Array | string | Promise<Uint8Array | string>,
  ): Promise<Written> {
    checkFunction('The change of an update', change);
    for (;;) {
      const current = await this.claim(leadership);
      const data = bytesOf(`What the change of an update returned for ${this.path}`, await change(current));
      const written = await this.#writeUnlessConflict(data, leadership, current.version);
      if (written !== undefined) return written;
    }
  }

  async #writeUnlessConflict(
    data: Uint8Array,
    leadership: FencedLeadership,
    expectedVersion: number,
  ): Promise<Written | undefined> {
    try {
      return await this.write(data, { leadership, expectedVersion });
    } catch (error) {
      if (ConclaveError.is(error, 'version-conflict')) return undefined;
      throw error;
    }
  }

  async #publish(
    temporary: string,
    content: VersionContent,
    writer: CheckedWriter,
    expectedVersion: number,
  ): Promise<void> {
    // Only now, with the temporary file in place, does this look prove that the number is free: see VersionFolder.
    if ((await this.#folder.newest()) !== expectedVersion) throw await this.#refusal(writer, expectedVersion);
    writer.assertHeld();
    try {
      const published = await this.#folder.publish(temporary, content.version);
      if (!published && !(await this.#isOurs(content))) throw await this.#refusal(writer, expectedVersion);
      await this.#sync(content.version);
    } catch (cause) {
      if (!ConclaveError.is(cause) || cause.code === 'stale-token' || cause.code === 'version-conflict')
        throw cause;
      const message = `Version ${content.version} of ${this.path} may or may not be published: ${cause.message}`;
      throw new ConclaveError(cause.code, message, { outcome: 'unknown', cause });
    }
  }

  async #sync(version: number): Promise<void> {
    await this.#folder.sync();
    this.#durableVersion = Math.max(this.#durableVersion, version);
  }

  /** A file system on a network may repeat a link that was carried out, and then say that the name exists. */
  async #isOurs(content: VersionContent): Promise<boolean> {
    const present = await this.#load(content.version);
    if (present === 'gone' || present === 'damaged') return false;
    return present.nonce.every((byte, position) => byte === content.nonce[position]);
  }

  #checkWrite(writer: CheckedWriter, expectedVersion: number, newest: Omit<FileVersion, 'data'>): void {
    checkToken(this.path, writer, newest);
    if (newest.version !== expectedVersion) {
      throw new ConclaveError(
        'version-conflict',
        `${this.path} is at version ${newest.version}, not at ${expectedVersion} as this write expects: read it again.`,
        { details: { expectedVersion, version: newest.version } },
      );
    }
  }

  /** Why a write was beaten: the newer version says by whom. */
  async #refusal(writer: CheckedWriter, expectedVersion: number): Promise<unknown> {
    try {
      this.#checkWrite(writer, expectedVersion, await this.#newestForWriting());
    } catch (error) {
      return error;
    }
    const message = `Another write of version ${expectedVersion + 1} of ${this.path} was under way: read it again.`;
    return new ConclaveError('version-conflict', message, { retryable: true });
  }

  async #newestForWriting(): Promise<Omit<FileVersion, 'data'>> {
    const newest = await this.read();
    if (newest.damaged.length > 0) throw this.#damagedError(newest.damaged[0] ?? 0);
    return newest;
  }

  async #load(version: number): Promise<VersionContent | 'gone' | 'damaged'> {
    const bytes = await this.#folder.read(version);
    if (bytes === undefined) return 'gone';
    const decoded = decodeVersion(bytes);
    if (decoded.status === 'newer') {
      const message = `${this.#folder.pathOf(version)} has format ${decoded.format}: update this program.`;
      throw new ConclaveError('data-incompatible', message);
    }
    return decoded.status === 'valid' && decoded.content.version === version ? decoded.content : 'damaged';
  }

  #damagedError(version: number): ConclaveError {
    const path = this.#folder.pathOf(version);
    const message = `${path} fails its checks, so its data and token are unknown. Move it away to go on from the version before it.`;
    return new ConclaveError('data-damaged', message, { details: { path, version } });
  }
}

function publicVersion(content: VersionContent, damaged: readonly number[]): FileVersion {
  const { version, token, election, data } = content;
  return { version, token, election, data, damaged };
}
