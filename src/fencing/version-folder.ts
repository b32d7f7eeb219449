/**
 * The files of one versioned file: which version is newest, publishing the next one exclusively, collecting old ones.
 *
 * Why a version number is never used twice, though old versions are deleted (a writer may be paused for hours
 * between any two steps): the temporary file that a writer links to `v<N+1>` names N+1. The writer makes it first and
 * only then sees that N is the newest version. Whoever deletes versions up to v decides so from a listing, *then* lists
 * again and deletes the temporary files that aim at v or below, and *then* deletes the versions, lowest first. If
 * N+1 was taken and is being deleted, the deciding listing showed versions that came after the paused writer's look,
 * so the second listing showed the writer's temporary file: it is gone before `v<N+1>` is, and the late link finds
 * either the name taken or nothing to link.
 */
import { basename, dirname, join } from 'node:path';
import { ConclaveError } from '../errors/index.ts';
import type { Disk } from '../runtime/types.ts';

const digits = 16;

export class VersionFolder {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #base: string;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#folder = dirname(path);
    this.#base = basename(path);
  }

  pathOf(version: number): string {
    return join(this.#folder, `${this.#base}.v${String(version).padStart(digits, '0')}`);
  }

  /**
   * The newest version at some instant during the call; 0: there is none. The listing is only a start, since a
   * folder may change while it is listed: v is newest when v+1 was absent and v is still there afterwards, for
   * versions vanish lowest first.
   */
  async newest(): Promise<number> {
    for (;;) {
      let version = (await this.#versions()).at(-1) ?? 0;
      while (await this.#disk.exists(this.pathOf(version + 1))) version += 1;
      if (
        version === 0 ? (await this.#versions()).length === 0 : await this.#disk.exists(this.pathOf(version))
      ) {
        return version;
      }
    }
  }

  /** All versions present, ascending. */
  async #versions(): Promise<number[]> {
    const names = await this.#disk.list(this.#folder);
    return names.flatMap((name) => this.#parse(name, 'v') ?? []).sort((left, right) => left - right);
  }

  async olderThan(version: number): Promise<number[]> {
    return (await this.#versions()).filter((other) => other < version).reverse();
  }

  /** undefined: it is gone. */
  async read(version: number): Promise<Uint8Array | undefined> {
    try {
      return await this.#disk.read(this.pathOf(version));
    } catch (error) {
      if (ConclaveError.is(error, 'not-found')) return undefined;
      throw error;
    }
  }

  /** Writes and syncs a file that can become this version; no reader sees it. */
  async prepare(version: number, unique: string, chunks: readonly Uint8Array[]): Promise<string> {
    const temporary = join(this.#folder, `${this.#base}.t${String(version).padStart(digits, '0')}-${unique}`);
    const file = await this.#disk.open(temporary, { create: true, exclusive: true });
    try {
      await file.writeAt(0, chunks);
      await file.sync();
    } catch (error) {
      await file.close().catch(() => {});
      await this.discard(temporary);
      throw error;
    }
    await file.close();
    return temporary;
  }

  /** Best effort: what stays is collected later. */
  async discard(temporary: string): Promise<void> {
    await this.#disk.remove(temporary).catch(() => {});
  }

  /** Atomic; false: the version exists, or the number was used and is gone. */
  async publish(temporary: string, version: number): Promise<boolean> {
    try {
      await this.#disk.link(temporary, this.pathOf(version));
      return true;
    } catch (error) {
      if (ConclaveError.is(error, 'already-exists') || ConclaveError.is(error, 'not-found')) return false;
      throw error;
    }
  }

  async sync(): Promise<void> {
    await this.#disk.syncFolder(this.#folder);
  }

  /** Deletes all but the newest `keep` versions; see the comment at the top for the order. */
  async collect(keep: number): Promise<void> {
    const versions = await this.#versions();
    const newest = versions.at(-1) ?? 0;
    const doomed = versions.filter((version) => version <= newest - keep);
    const last = doomed.at(-1);
    if (last === undefined) return;
    for (const name of await this.#disk.list(this.#folder)) {
      const target = this.#parse(name, 't');
      if (target !== undefined && target <= last) await this.#removeIfThere(join(this.#folder, name));
    }
    for (const version of doomed) await this.#removeIfThere(this.pathOf(version));
  }

  async #removeIfThere(path: string): Promise<void> {
    try {
      await this.#disk.remove(path);
    } catch (error) {
      if (!ConclaveError.is(error, 'not-found')) throw error;
    }
  }

  #parse(name: string, kind: 'v' | 't'): number | undefined {
    const prefix = `${this.#base}.${kind}`;
    if (!name.startsWith(prefix)) return undefined;
    const number = name.slice(prefix.length, prefix.length + digits);
    const rest = name.slice(prefix.length + digits);
    if (!/^\d{16}$/.test(number) || (kind === 'v' ? rest !== '' : !rest.startsWith('-'))) return undefined;
    return Number(number);
  }
}
