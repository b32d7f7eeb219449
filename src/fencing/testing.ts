// For the tests of the versioned file.
import { type ManualRuntime, manualRuntime } from '../runtime/testing.ts';
import type { Disk, Runtime } from '../runtime/types.ts';
import { type VersionedFile, type VersionedFileOptions, versionedFile } from './index.ts';

export const bytes = (text: string) => new TextEncoder().encode(text);
export const text = (data: Uint8Array) => new TextDecoder().decode(data);
export const path = '/data/state';

export async function setUp(
  options: VersionedFileOptions = {},
): Promise<{ runtime: ManualRuntime; file: VersionedFile }> {
  const runtime = manualRuntime();
  await runtime.disk.makeFolder('/data');
  return { runtime, file: versionedFile(path, { runtime, ...options }) };
}

/** A disk that awaits `before` ahead of each operation; files that it opens, too. */
export function delayed(disk: Disk, before: (operation: string, path: string) => Promise<void> | void): Disk {
  const after = async <T>(operation: string, at: string, run: () => Promise<T>): Promise<T> => {
    await before(operation, at);
    return await run();
  };
  return {
    makeFolder: (at) => disk.makeFolder(at),
    list: (at) => after('list', at, () => disk.list(at)),
    read: (at) => after('read', at, () => disk.read(at)),
    open: (at, options) => after('open', at, () => disk.open(at, options)),
    rename: (from, to) => disk.rename(from, to),
    link: (from, to) => after('link', to, () => disk.link(from, to)),
    remove: (at) => after('remove', at, () => disk.remove(at)),
    exists: (at) => after('exists', at, () => disk.exists(at)),
    syncFolder: (at) => after('syncFolder', at, () => disk.syncFolder(at)),
    lock: (at) => disk.lock(at),
  };
}

/** Pauses the first operation of this kind until `resume`; `paused` resolves when it is there. */
export function pausing(runtime: Runtime, kind: string) {
  const [reached, resumed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const disk = delayed(runtime.disk, (operation) => {
    if (operation !== kind) return;
    reached.resolve();
    return resumed.promise;
  });
  return { runtime: { ...runtime, disk }, paused: reached.promise, resume: resumed.resolve };
}
