/** Two storages for a token gate. */
import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { Runtime } from '../runtime/types.ts';
import type { GateEntry, GateStorage } from './token-gate.ts';
import { versionedFile } from './versioned-file.ts';
import { checkCount } from './writer.ts';

export interface MemoryGateStorageOptions {
  /** Beyond it a new resource is refused with 'too-large'. 1 to 10000000, default 10000. */
  readonly maxResources?: number | undefined;
}

/**
 * Forgets everything with the process, and a restarted process would let an old leader in: for tests, and for resources
 * that end with this process too.
 */
export function memoryGateStorage(options: MemoryGateStorageOptions = {}): GateStorage {
  const maxResources = checkCount('maxResources', options.maxResources ?? 10_000, 1, 10_000_000);
  const entries = new Map<string, GateEntry>();
  return {
    async load(resource) {
      return entries.get(resource);
    },
    async store(resource, { token, election }, expectedRevision) {
      const revision = entries.get(resource)?.revision ?? 0;
      if (revision !== expectedRevision) return false;
      if (revision === 0 && entries.size >= maxResources) throw tooMany(resource, 'The memory', maxResources);
      entries.set(resource, { token, election, revision: revision + 1 });
      return true;
    },
  };
}

export interface FileGateStorageOptions {
  /** Beyond it a new resource is refused with 'too-large' (a few more where several come at once). 1 to 10000000, default 10000. */
  readonly maxResources?: number | undefined;
  readonly runtime?: Runtime | undefined;
}

/**
 * Remembers in a folder of its own, which it makes in one that exists: for each resource a folder with a versioned file.
 * Durable, and right between any number of processes that have the folder. Each admission reads from the disk. Nothing is ever forgotten, since whoever is forgotten could come back;
 * delete a resource's files when no leader of before can be alive any more.
 *
 * Not protected: what `versionedFile` does not protect; a folder that was restored from an older copy.
 */
export function fileGateStorage(folder: string, options: FileGateStorageOptions = {}): GateStorage {
  if (typeof folder !== 'string' || folder === '' || folder.includes('\0')) {
    throw new ConclaveError('invalid-argument', `${JSON.stringify(folder)} is not a path of a folder.`);
  }
  const maxResources = checkCount('maxResources', options.maxResources ?? 10_000, 1, 10_000_000);
  const runtime = options.runtime ?? nodeRuntime();
  const { disk } = runtime;
  const folderOf = (resource: string) => join(folder, createHash('sha256').update(resource).digest('hex'));
  const fileOf = (resource: string) =>
    versionedFile(join(folderOf(resource), 'token'), { runtime, keepVersions: 2 });
  return {
    async load(resource) {
      const file = fileOf(resource);
      const newest = await unlessMissing(file.read());
      if (newest === undefined || newest.version === 0) return undefined;
      const { version, token, election, damaged } = newest;
      // Falling back to an older version could let an old leader in.
      if (damaged.length > 0) throw damagedFile(file.path, resource);
      // Who wrote it may not have come to this yet, and it must not be believed and then go.
      await disk.syncFolder(folderOf(resource));
      return { token, election, revision: version };
    },
    async store(resource, { token, election }, expectedVersion) {
      if (expectedVersion === 0) await makeRoom(resource);
      try {
        const data = new TextEncoder().encode(resource);
        await fileOf(resource).write(data, { token, election, expectedVersion });
        return true;
      } catch (error) {
        if (isBeaten(error)) return false;
        throw error;
      }
    },
  };

  async function makeRoom(resource: string): Promise<void> {
    const present = (await unlessMissing(disk.list(folder))) ?? [];
    if (present.includes(basename(folderOf(resource)))) return;
    if (present.length >= maxResources) throw tooMany(resource, folder, maxResources);
    await disk.makeFolder(folderOf(resource));
    await disk.syncFolder(folder);
    await disk.syncFolder(dirname(folder));
  }
}

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (ConclaveError.is(error, 'not-found')) return undefined;
    throw error;
  }
}

/** Another has written since: the gate reads again, and says what there is to say. */
function isBeaten(error: unknown): boolean {
  return (['version-conflict', 'stale-token', 'failed-precondition'] as const).some((code) =>
    ConclaveError.is(error, code),
  );
}

function tooMany(resource: string, where: string, maxResources: number): ConclaveError {
  const message = `${where} remembers ${maxResources} resources already, so ${JSON.stringify(resource)} is refused: raise maxResources, or take names from a smaller set.`;
  return new ConclaveError('too-large', message, { details: { maxResources } });
}

function damagedFile(path: string, resource: string): ConclaveError {
  const message = `The newest version of ${path}, which remembers the token of ${JSON.stringify(resource)}, fails its checks, so nobody is let in. Restore it, or move all its versions away once no older leader is alive.`;
  return new ConclaveError('data-damaged', message, { details: { path } });
}
