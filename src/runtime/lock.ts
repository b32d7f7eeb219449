/**
 * An exclusive lock on a file, without a native addon.
 *
 * Node has no call for file locks, but SQLite, which is built in, takes the kernel's own (fcntl) byte-range locks
 * on its database file; an empty database that is never written is just such a lock. The kernel drops it when the
 * process ends, SIGKILL included, so there is nothing stale to clean up, no race between two starters, and it
 * holds between containers that share a volume, and over NFS where the mount supports locks. Sockets as locks do
 * neither; files with a process id can be mistaken after a restart or in another container.
 *
 * Limits: the lock is advisory. The kernel also drops it if *this* process opens the lock file by other means and
 * closes it again, so nobody else may touch that file: the holder's process id is in a second file, `<path>.owner`.
 * A mount without lock support (NFS `nolock`) makes `lockFile` fail or, on some, protects within one host only.
 */

import { chmodSync, closeSync, openSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { ConclaveError } from '../errors/index.ts';
import { diskError } from './disk-errors.ts';

/** SQLITE_BUSY: another process, or another lock of ours, has it. */
const busy = 5;
/** Two that start at the same instant can each see the other's attempt; more than one try tells who wins. */
const tries = 8;
const waitBetweenTriesMs = 15;

/** Open databases are locks: were one collected as garbage, its lock would be gone. */
const held = new Set<DatabaseSync>();

/** @throws ConclaveError 'data-locked' when another process holds it, 'disk-failed' where locks do not work. */
export async function lockFile(path: string): Promise<AsyncDisposable> {
  const folder = dirname(path);
  try {
    statSync(folder);
  } catch (error) {
    throw diskError('lock a file in', folder, error, 'not-applied');
  }
  for (let attempt = 1; ; attempt++) {
    const database = tryLock(path);
    if (database !== undefined) {
      held.add(database);
      nameOwner(path);
      return new HeldLock(path, database);
    }
    if (attempt === tries) throw lockedByAnother(path);
    await new Promise((resolve) => setTimeout(resolve, waitBetweenTriesMs * (1 + Math.random())));
  }
}

class HeldLock implements AsyncDisposable {
  readonly #path: string;
  readonly #database: DatabaseSync;

  constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!held.delete(this.#database)) return;
    try {
      // Before the lock goes: afterwards the file may be the next holder's. The lock file itself stays, because
      // a starter could have it open, and would then hold a lock on a file that has no name any more.
      unlinkSync(ownerPath(this.#path));
    } catch {
      // The owner's file is only for messages.
    }
    this.#database.close();
  }
}

/** undefined: somebody else has it. */
function tryLock(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    closeToOthers(path);
    database = new (sqlite().DatabaseSync)(path);
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database?.close();
    if ((error as { errcode?: number }).errcode === busy) return undefined;
    throw diskError('lock', path, error, 'not-applied');
  }
}

/**
 * Others on this host have no business with it, and could keep the lock from us. One that is there must not be opened here,
 * as that might drop a lock of ours.
 */
function closeToOthers(path: string): void {
  try {
    closeSync(openSync(path, 'ax', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if ((statSync(path).mode & 0o077) === 0) return;
    try {
      chmodSync(path, 0o600);
    } catch {
      // Not our file: whether it can be locked shows next.
    }
  }
}

/** Loaded on first use. Node 22 prints a warning that SQLite is experimental; what is used of it here is not. */
function sqlite(): typeof import('node:sqlite') {
  const emitWarning = process.emitWarning;
  process.emitWarning = () => {};
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}

function ownerPath(path: string): string {
  return `${path}.owner`;
}

function nameOwner(path: string): void {
  try {
    writeFileSync(ownerPath(path), `${process.pid} ${hostname()}\n`, { mode: 0o600 });
  } catch {
    // Only for messages: a full disk must not keep a member from the lock that protects it.
  }
}

function lockedByAnother(path: string): ConclaveError {
  const pid = ownerOf(path);
  const who =
    pid === undefined ? 'another process' : pid === process.pid ? `this process (${pid})` : `process ${pid}`;
  return new ConclaveError(
    'data-locked',
    `'${path}' is locked by ${who}: the folder is in use. Stop that process, or use another folder.`,
    { retryable: true, details: pid === undefined ? { path } : { path, pid } },
  );
}

/** The process that wrote its id, if it is on this host and runs: the file outlives a holder that was killed. */
function ownerOf(path: string): number | undefined {
  try {
    const [pid, host] = readFileSync(ownerPath(path), 'utf8').trim().split(' ');
    if (host !== hostname() || !/^[1-9]\d*$/.test(pid ?? '')) return undefined;
    return runs(Number(pid)) ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
