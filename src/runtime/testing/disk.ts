import { ConclaveError } from '../../errors/index.ts';
import { diskError } from '../disk-errors.ts';
import type { Disk, File, OpenOptions } from '../types.ts';
import { type DiskOperation, diskFull, type FailureOptions, Failures } from '../virtual/failures.ts';
import type { CrashKeeps, MemoryFileData } from '../virtual/file-data.ts';
import { MemoryNames } from '../virtual/names.ts';
import { SeededRandom } from './random.ts';
import { Turns } from './turns.ts';

export interface CrashOptions {
  /**
   * What becomes of everything that was not synced. `none` (default): all of it is lost. `some`: each sector and
   * each change of a name may have reached the disk or not, whatever their order. `all`: only the process dies, and
   * the system still has what it was given.
   */
  readonly keeps?: CrashKeeps | 'all';
  /**
   * Default false. True: operations begun from now until `powerOn` hang too. For a crash in the middle of a program
   * that does several things at once, and does not know yet that it is dead.
   */
  readonly staysOff?: boolean;
}

/**
 * A disk in memory that keeps apart what a program sees and what would be there after a power failure. Stricter
 * than most file systems: the name of a new file is lost unless its folder was synced.
 */
export class MemoryDisk implements Disk {
  /** Writes beyond this total fail with 'disk-full'. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Operations begun so far: a place to crash at can be drawn from it. */
  operations = 0;
  /** Called before each operation; may call `crash`. */
  onOperation: ((operation: DiskOperation | 'other', path: string) => void) | undefined;
  readonly #turns: Turns;
  readonly #random: SeededRandom;
  readonly #names = new MemoryNames();
  readonly #locks = new Set<string>();
  #failures = new Failures();
  #lives = 1;
  #off = false;

  constructor(options: { random?: SeededRandom; turns?: Turns } = {}) {
    this.#random = options.random ?? new SeededRandom(1);
    this.#turns = options.turns ?? new Turns();
  }

  makeFolder(path: string): Promise<void> {
    return this.#do('other', path, () => this.#names.makeFolder(path));
  }

  list(path: string): Promise<string[]> {
    return this.#do('other', path, () => this.#names.list(path));
  }

  read(path: string): Promise<Uint8Array> {
    return this.#do('read', path, () => this.#names.file(path, 'read').current());
  }

  open(path: string, options: OpenOptions = {}): Promise<File> {
    return this.#do('open', path, () => {
      const data = this.#names.open(
        path,
        options.create || options.exclusive || false,
        options.exclusive ?? false,
      );
      return new MemoryFile(this, path, data, this.#lives, options.durableWrites ?? false);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#do('rename', from, () => this.#names.rename(from, to));
  }

  link(from: string, to: string): Promise<void> {
    return this.#do('other', to, () => this.#names.link(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#do('remove', path, () => this.#names.remove(path));
  }

  exists(path: string): Promise<boolean> {
    return this.#do('other', path, () => this.#names.has(path));
  }

  syncFolder(path: string): Promise<void> {
    return this.#do('sync-folder', path, undefined, () => this.#names.syncFolder(path));
  }

  lock(path: string): Promise<AsyncDisposable> {
    const lives = this.#lives;
    return this.#do('other', path, () => {
      if (this.#locks.has(path))
        throw new ConclaveError('data-locked', `'${path}' is locked by another process.`);
      this.#locks.add(path);
      let held = true;
      return {
        [Symbol.asyncDispose]: async () => {
          if (held && lives === this.#lives) this.#locks.delete(path);
          held = false;
        },
      };
    });
  }

  /**
   * The power fails. Operations under way, and all later ones on files that were open, never come to an end, as
   * those of a process that died; the disk then shows what survived.
   */
  crash(options: CrashOptions = {}): void {
    this.#lives += 1;
    this.#off = options.staysOff ?? false;
    this.#locks.clear();
    this.#failures = new Failures();
    const keeps = options.keeps ?? 'none';
    if (keeps !== 'all') this.#names.crash(keeps, this.#random);
  }

  powerOn(): void {
    this.#off = false;
  }

  /** Makes operations fail. */
  fail(operation: DiskOperation, options: FailureOptions = {}): void {
    this.#failures.add(operation, options);
  }

  /** What the file holds now, without an operation. */
  contents(path: string): Uint8Array {
    return this.#names.file(path, 'read').current();
  }

  /** The disk rots: changes one byte, durably. */
  flip(path: string, offset: number, mask = 0xff): void {
    this.#names.file(path, 'read').flip(offset, mask);
  }

  /** Bytes of all files. */
  get usedBytes(): number {
    return this.#names.usedBytes();
  }

  /** For the files. */
  hasRoom(bytes: number): boolean {
    return this.capacityBytes === Number.POSITIVE_INFINITY || this.usedBytes + bytes <= this.capacityBytes;
  }

  /** For the files. `begin` is done at the call, `finish` when the operation completes, unless the power failed. */
  perform<T>(
    operation: DiskOperation | 'other',
    path: string,
    lives: number,
    begin: (() => T) | undefined,
    finish?: () => T,
    failed?: () => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#off || lives !== this.#lives) return;
      this.operations += 1;
      this.onOperation?.(operation, path);
      if (lives !== this.#lives) return;
      let result: T | undefined;
      let error = this.#failures.of(operation, path);
      if (error !== undefined) failed?.();
      try {
        if (error === undefined) result = begin?.();
      } catch (thrown) {
        error = thrown;
      }
      this.#turns.next(() => {
        if (lives !== this.#lives) return;
        if (error !== undefined) reject(error);
        else resolve((finish ? finish() : result) as T);
      });
    });
  }

  #do<T>(operation: DiskOperation | 'other', path: string, begin?: () => T, finish?: () => T): Promise<T> {
    return this.perform(operation, path, this.#lives, begin, finish);
  }
}

class MemoryFile implements File {
  readonly #disk: MemoryDisk;
  readonly #path: string;
  readonly #data: MemoryFileData;
  readonly #lives: number;
  readonly #durableWrites: boolean;
  #closed = false;

  constructor(disk: MemoryDisk, path: string, data: MemoryFileData, lives: number, durableWrites: boolean) {
    this.#durableWrites = durableWrites;
    this.#disk = disk;
    this.#path = path;
    this.#data = data;
    this.#lives = lives;
  }

  size(): Promise<number> {
    return this.#perform('other', () => this.#data.sizeBytes);
  }

  readAt(position: number, length: number): Promise<Uint8Array> {
    return this.#perform('read', () => this.#data.read(position, length));
  }

  async writeAt(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    await this.#write(position, chunks);
    // Two steps, so that a crash may come between them, as within one call of the system.
    if (this.#durableWrites) await this.sync();
  }

  async append(data: Uint8Array): Promise<void> {
    await this.#write(undefined, [data]);
    if (this.#durableWrites) await this.sync();
  }

  /** Position undefined: at the end. */
  #write(position: number | undefined, chunks: readonly Uint8Array[]): Promise<void> {
    const tear = (): void => {
      // What a failed write leaves behind is anybody's guess: here, its first half.
      const first = chunks[0];
      const at = position ?? this.#data.sizeBytes;
      if (first !== undefined) this.#data.write(at, first.subarray(0, first.length >> 1));
    };
    const begin = (): void => {
      let at = position ?? this.#data.sizeBytes;
      for (const chunk of chunks) {
        const growth = Math.max(0, at + chunk.length - this.#data.sizeBytes);
        if (!this.#disk.hasRoom(growth)) throw diskFull('write', this.#path);
        this.#data.write(at, chunk);
        at += chunk.length;
      }
    };
    return this.#perform('write', begin, undefined, tear);
  }

  sync(): Promise<void> {
    const upTo = this.#data.mark();
    return this.#perform(
      'sync',
      undefined,
      () => this.#data.sync(upTo),
      () => this.#data.loseUnsynced(),
    );
  }

  truncate(size: number): Promise<void> {
    return this.#perform('truncate', () => this.#data.truncate(size));
  }

  /** Where there is no room for all of it, some of it may be there nevertheless. */
  extend(from: number, to: number): Promise<void> {
    return this.#perform('truncate', () => {
      const fits = this.#disk.hasRoom(to - from);
      this.#data.truncate(fits ? to : from + ((to - from) >> 1));
      if (!fits) throw diskFull('extend', this.#path);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #perform<T>(
    operation: DiskOperation | 'other',
    begin: (() => T) | undefined,
    finish?: () => T,
    failed?: () => void,
  ): Promise<T> {
    if (this.#closed) throw diskError(operation, this.#path, new Error('the file was closed'), 'not-applied');
    return this.#disk.perform(operation, this.#path, this.#lives, begin, finish, failed);
  }
}
