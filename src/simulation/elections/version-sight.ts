/**
 * Looks on at a shared disk for versions of a versioned file: what was written into a temporary file that became a
 * version, and what readers were given. Parses the format by itself: the code that writes it is under test.
 */
import { createHash } from 'node:crypto';
import type { Disk, File } from '../../runtime/types.ts';

export interface PublishedVersion {
  /** Of the versioned file, without its suffix. */
  readonly path: string;
  readonly version: number;
  readonly token: number;
  readonly election: string;
  readonly data: Uint8Array;
  /** Of all its bytes: two versions with equal ones are one. */
  readonly checksum: string;
}

const versionName = /^(.*)\.v(\d{16})$/;
const temporaryName = /^.*\.t\d{16}-[^/]*$/;
const headerBytes = 56;
const checksumBytes = 32;

/** undefined: no complete version. */
export function parseVersion(path: string, bytes: Uint8Array): PublishedVersion | undefined {
  const match = versionName.exec(path);
  if (match === null || bytes.length < headerBytes + checksumBytes) return undefined;
  const body = bytes.subarray(0, bytes.length - checksumBytes);
  const checksum = createHash('sha256').update(body).digest('hex');
  const stored = bytes.subarray(body.length);
  if (checksum !== Buffer.from(stored.buffer, stored.byteOffset, stored.length).toString('hex'))
    return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const dataAt = headerBytes + view.getUint32(12);
  return {
    path: match[1] as string,
    version: Number(view.getBigUint64(16)),
    token: Number(view.getBigUint64(24)),
    election: new TextDecoder().decode(body.subarray(headerBytes, dataAt)),
    data: body.slice(dataAt),
    checksum,
  };
}

export function versionPath(path: string, version: number): string {
  return `${path}.v${String(version).padStart(16, '0')}`;
}

/** The newest version among these names of a folder; 0: there is none. */
export function newestAmong(names: readonly string[], base: string): number {
  let newest = 0;
  for (const name of names) {
    const [, of, version] = versionName.exec(name) ?? [];
    if (of === base) newest = Math.max(newest, Number(version));
  }
  return newest;
}

/** The same disk; `onVersion` hears of each version that this user of it publishes or reads. */
export function watchVersions(disk: Disk, onVersion: (version: PublishedVersion) => void): Disk {
  const prepared = new Map<string, Uint8Array>();
  const see = (path: string, bytes: Uint8Array | undefined): void => {
    const version = bytes === undefined ? undefined : parseVersion(path, bytes);
    if (version !== undefined) onVersion(version);
  };
  return {
    makeFolder: (path, options) => disk.makeFolder(path, options),
    list: (path) => disk.list(path),
    exists: (path) => disk.exists(path),
    rename: (from, to) => disk.rename(from, to),
    syncFolder: (path) => disk.syncFolder(path),
    lock: (path) => disk.lock(path),
    async read(path) {
      const bytes = await disk.read(path);
      if (versionName.test(path)) see(path, bytes);
      return bytes;
    },
    async open(path, options) {
      const file = await disk.open(path, options);
      return temporaryName.test(path) ? watchWrites(file, (bytes) => prepared.set(path, bytes)) : file;
    },
    async link(from, to) {
      await disk.link(from, to);
      see(to, prepared.get(from));
    },
    async remove(path) {
      prepared.delete(path);
      await disk.remove(path);
    },
  };
}

/** Temporary files are written in one piece. */
function watchWrites(file: File, onWritten: (bytes: Uint8Array) => void): File {
  return {
    size: () => file.size(),
    readAt: (position, length) => file.readAt(position, length),
    append: (data) => file.append(data),
    sync: () => file.sync(),
    truncate: (size) => file.truncate(size),
    extend: (from, to) => file.extend(from, to),
    close: () => file.close(),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    async writeAt(position, chunks) {
      await file.writeAt(position, chunks);
      if (position === 0) onWritten(joined(chunks));
    },
  };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
