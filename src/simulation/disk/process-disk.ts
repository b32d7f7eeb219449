import { ConclaveError } from '../../errors/index.ts';
import { diskError } from '../../runtime/disk-errors.ts';
import type { Disk, File, OpenOptions } from '../../runtime/types.ts';
import type { DiskOperation, MemoryFileData, MemoryNames } from '../../runtime/virtual/index.ts';
import type { Process } from '../world/process.ts';
import type { Operation } from './operations.ts';

/** The file system under the view that one process has of it. */
export interface Medium {
  readonly names: MemoryNames;
  /** Locks that are held, by path. */
  readonly locks: Map<string, Process>;
  run<T>(kind: DiskOperation | 'other', path: string, sizeBytes: number, operation: Operation<T>): Promise<T>;
  read(path: string, file: MemoryFileData, position: number, length: number): Uint8Array;
  write(
    path: string,
    file: MemoryFileData,
    position: number,
    chunks: readonly Uint8Array[],
    durably: boolean,
  ): void;
  /** As much as a write that was cut short may have done. */
  writePart(file: MemoryFileData, position: number, chunks: readonly Uint8Array[]): void;
  sync(path: string, file: MemoryFileData, upTo: number): void;
  syncFolder(path: string): void;
}

/** The disk as one life of a process has it. */
export class ProcessDisk implements Disk {
  readonly #medium: Medium;
  readonly #process: Process;

  constructor(medium: Medium, process: Process) {
    this.#medium = medium;
    this.#process = process;
    process.onDeath.push(() => this.#unlockAll());
  }

  makeFolder(path: string): Promise<void> {
    return this.#run('other', path, () => this.#medium.names.makeFolder(path));
  }

  list(path: string): Promise<string[]> {
    return this.#run('other', path, () => this.#medium.names.list(path));
  }

  read(path: string): Promise<Uint8Array> {
    const medium = this.#medium;
    const effect = (): Uint8Array => {
      const file = medium.names.file(path, 'read');
      return medium.read(path, file, 0, file.sizeBytes);
    };
    return medium.run('read', path, 0, { effect });
  }

  open(path: string, options: OpenOptions = {}): Promise<File> {
    const { create = false, exclusive = false, durableWrites = false } = options;
    return this.#run('open', path, () => {
      const data = this.#medium.names.open(path, create || exclusive, exclusive);
      return new ProcessFile(this.#medium, path, data, durableWrites);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run('rename', from, () => this.#medium.names.rename(from, to));
  }

  link(from: string, to: string): Promise<void> {
    return this.#run('other', to, () => this.#medium.names.link(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#run('remove', path, () => this.#medium.names.remove(path));
  }

  exists(path: string): Promise<boolean> {
    return this.#run('other', path, () => this.#medium.names.has(path));
  }

  syncFolder(path: string): Promise<void> {
    return this.#run('sync-folder', path, () => this.#medium.syncFolder(path));
  }

  lock(path: string): Promise<AsyncDisposable> {
    const { locks } = this.#medium;
    return this.#run('other', path, () => {
      // A process that died in the middle of this call must not hold it for ever.
      if (locks.has(path)) throw new ConclaveError('data-locked', `'${path}' is locked by another process.`);
      if (this.#process.alive) locks.set(path, this.#process);
      let held = true;
      return {
        [Symbol.asyncDispose]: async () => {
          if (held && locks.get(path) === this.#process) locks.delete(path);
          held = false;
        },
      };
    });
  }

  #run<T>(kind: DiskOperation | 'other', path: string, effect: () => T): Promise<T> {
    return this.#medium.run(kind, path, 0, { effect });
  }

  #unlockAll(): void {
    const { locks } = this.#medium;
    for (const [path, holder] of locks) if (holder === this.#process) locks.delete(path);
  }
}

class ProcessFile implements File {
  readonly #medium: Medium;
  readonly #path: string;
  readonly #data: MemoryFileData;
  readonly #durableWrites: boolean;
  #closed = false;

  constructor(medium: Medium, path: string, data: MemoryFileData, durableWrites: boolean) {
    this.#medium = medium;
    this.#path = path;
    this.#data = data;
    this.#durableWrites = durableWrites;
  }

  size(): Promise<number> {
    return this.#run('other', 0, { effect: () => this.#data.sizeBytes });
  }

  readAt(position: number, length: number): Promise<Uint8Array> {
    const effect = (): Uint8Array => this.#medium.read(this.#path, this.#data, position, length);
    return this.#run('read', length, { effect });
  }

  writeAt(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    const effect = (): void =>
      this.#medium.write(this.#path, this.#data, position, chunks, this.#durableWrites);
    const part = (): void => this.#medium.writePart(this.#data, position, chunks);
    let sizeBytes = 0;
    for (const chunk of chunks) sizeBytes += chunk.length;
    return this.#run(this.#durableWrites ? 'sync' : 'write', sizeBytes, { effect, part });
  }

  append(data: Uint8Array): Promise<void> {
    const [file, chunks] = [this.#data, [data]];
    const effect = (): void =>
      this.#medium.write(this.#path, file, file.sizeBytes, chunks, this.#durableWrites);
    const part = (): void => this.#medium.writePart(file, file.sizeBytes, chunks);
    return this.#run(this.#durableWrites ? 'sync' : 'write', data.length, { effect, part });
  }

  sync(): Promise<void> {
    const upTo = this.#data.mark();
    return this.#run('sync', 0, { effect: () => this.#medium.sync(this.#path, this.#data, upTo) });
  }

  truncate(size: number): Promise<void> {
    return this.#run('truncate', 0, { effect: () => this.#data.truncate(size) });
  }

  /** Without the zeros: what lies there reads the same, and a crash may take it away, as it may zeros. */
  extend(_from: number, to: number): Promise<void> {
    return this.truncate(to);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run<T>(kind: DiskOperation | 'other', sizeBytes: number, operation: Operation<T>): Promise<T> {
    if (this.#closed) throw diskError(kind, this.#path, new Error('the file was closed'), 'not-applied');
    return this.#medium.run(kind, this.#path, sizeBytes, operation);
  }
}
