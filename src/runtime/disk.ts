import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ErrorOutcome } from '../errors/index.ts';
import { diskError } from './disk-errors.ts';
import { lockFile } from './lock.ts';
import type { Disk, File, OpenOptions } from './types.ts';

/** The real disk. */
export class NodeDisk implements Disk {
  async makeFolder(path: string, options: { ownerOnly?: boolean } = {}): Promise<void> {
    const mode = options.ownerOnly ? 0o700 : 0o777;
    await attempt('make the folder', path, 'unknown', makeFolders(path, mode));
  }

  async list(path: string): Promise<string[]> {
    const names = await attempt('list the folder', path, 'not-applied', promises.readdir(path));
    return names.sort();
  }

  async read(path: string): Promise<Uint8Array> {
    const data = await attempt('read', path, 'not-applied', promises.readFile(path));
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }

  open(path: string, options: OpenOptions = {}): Promise<File> {
    const create = options.create ? fs.constants.O_CREAT : 0;
    const exclusive = options.exclusive ? fs.constants.O_CREAT | fs.constants.O_EXCL : 0;
    const durable = options.durableWrites ? fs.constants.O_DSYNC : 0;
    const append = options.append ? fs.constants.O_APPEND : 0;
    const access = options.readOnly ? fs.constants.O_RDONLY : fs.constants.O_RDWR;
    const flags = access | create | exclusive | durable | append;
    return new Promise((resolve, reject) => {
      fs.open(path, flags, options.ownerOnly ? 0o600 : 0o666, (error, descriptor) => {
        if (error) reject(diskError('open', path, error, 'not-applied'));
        else resolve(new NodeFile(path, descriptor));
      });
    });
  }

  rename(from: string, to: string): Promise<void> {
    return attempt(`rename to '${to}' the file`, from, 'unknown', promises.rename(from, to));
  }

  link(from: string, to: string): Promise<void> {
    return attempt(`link '${from}' as`, to, 'unknown', promises.link(from, to));
  }

  remove(path: string): Promise<void> {
    return attempt('remove', path, 'unknown', promises.unlink(path));
  }

  async exists(path: string): Promise<boolean> {
    try {
      await promises.stat(path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw diskError('look for', path, error, 'not-applied');
    }
  }

  async syncFolder(path: string): Promise<void> {
    const folder = await attempt('open the folder', path, 'not-applied', promises.open(path, 'r'));
    try {
      // A folder has no data but its names, so this is the full fsync.
      await attempt('sync the folder', path, 'unknown', folder.sync());
    } finally {
      await folder.close();
    }
  }

  lock(path: string): Promise<AsyncDisposable> {
    return lockFile(path);
  }
}

/** By hand: Node's recursive mkdir never returns where the file system answers ENOENT for good, as /proc does. */
async function makeFolders(path: string, mode: number): Promise<void> {
  try {
    await promises.mkdir(path, { mode });
  } catch (error) {
    if (await isFolder(path)) return;
    const above = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || (await isFolder(above))) throw error;
    await makeFolders(above, mode);
    await makeFolders(path, mode);
  }
}

async function isFolder(path: string): Promise<boolean> {
  const stats = await promises.stat(path).catch(() => undefined);
  return stats?.isDirectory() ?? false;
}

async function attempt<T>(
  action: string,
  path: string,
  outcome: ErrorOutcome,
  result: Promise<T>,
): Promise<T> {
  try {
    return await result;
  } catch (error) {
    throw diskError(action, path, error, outcome);
  }
}

/** The system takes at most this many buffers in one call (IOV_MAX on Linux and macOS). */
const mostBuffersInOneCall = 1024;
const zeros = new Uint8Array(64 * 1024);

/** Bare descriptors and callbacks: this is on the path of every write that is acknowledged. */
class NodeFile implements File {
  readonly #path: string;
  readonly #descriptor: number;
  #closing: Promise<void> | undefined;

  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  size(): Promise<number> {
    return this.#call('look at', 'not-applied', (done) => {
      fs.fstat(this.#descriptor, (error, stats) => done(error, stats?.size));
    });
  }

  async readAt(position: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const count = await this.#call<number>('read', 'not-applied', (done) => {
        fs.read(this.#descriptor, buffer, filled, length - filled, position + filled, done);
      });
      if (count === 0) break;
      filled += count;
    }
    // A short answer must not hold on to the memory of a long question.
    return filled === length ? new Uint8Array(buffer.buffer) : new Uint8Array(buffer.buffer.slice(0, filled));
  }

  async writeAt(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    let rest = chunks.filter((chunk) => chunk.length > 0);
    let at = position;
    while (rest.length > 0) {
      const now = rest.length > mostBuffersInOneCall ? rest.slice(0, mostBuffersInOneCall) : rest;
      const written = await this.#call<number>('write to', 'unknown', (done) => {
        fs.writev(this.#descriptor, now, at, done);
      });
      at += written;
      rest = withoutFirst(rest, written);
    }
  }

  async append(data: Uint8Array): Promise<void> {
    const written = await this.#call<number>('append to', 'unknown', (done) => {
      fs.write(this.#descriptor, data, 0, data.length, null, done);
    });
    if (written === data.length) return;
    const cause = new Error(`it took only ${written} of ${data.length} bytes; is it full?`);
    throw diskError('append to', this.#path, cause, 'unknown');
  }

  sync(): Promise<void> {
    return this.#call('sync', 'unknown', (done) => fs.fdatasync(this.#descriptor, done));
  }

  truncate(size: number): Promise<void> {
    return this.#call('truncate', 'unknown', (done) => fs.ftruncate(this.#descriptor, size, done));
  }

  async extend(from: number, to: number): Promise<void> {
    const chunks: Uint8Array[] = [];
    for (let at = from; at < to; at += zeros.length) chunks.push(zeros.subarray(0, to - at));
    await this.writeAt(from, chunks);
  }

  close(): Promise<void> {
    this.#closing ??= this.#call('close', 'unknown', (done) => fs.close(this.#descriptor, done), true);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #call<T>(
    action: string,
    outcome: ErrorOutcome,
    start: (done: (error: Error | null | undefined, value?: T) => void) => void,
    evenIfClosed = false,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined && !evenIfClosed) {
        // The system may have given the number to another file since.
        reject(diskError(action, this.#path, new Error('the file was closed'), 'not-applied'));
        return;
      }
      start((error, value) => {
        if (error) reject(diskError(action, this.#path, error, outcome));
        else resolve(value as T);
      });
    });
  }
}

/** What is left to write after the system took `count` bytes. */
function withoutFirst(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let taken = count;
  let first = 0;
  for (;;) {
    const chunk = chunks[first];
    if (chunk === undefined) return [];
    if (chunk.length > taken) return [chunk.subarray(taken), ...chunks.slice(first + 1)];
    taken -= chunk.length;
    first += 1;
  }
}
