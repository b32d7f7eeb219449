import { ConclaveError } from '../errors/index.ts';
import type { Disk } from '../runtime/index.ts';
import { decodeIdentity, encodeIdentity, folderFormatVersion, type Identity } from './identity-file.ts';

export interface DataFolderOptions {
  readonly disk: Disk;
  /** Made if absent, closed to other users of the host. */
  readonly path: string;
  readonly clusterId: number;
  readonly memberId: number;
  /** Of the member, for messages and for people who look into the folder. */
  readonly name: string;
  /** Kept for the next start, as they are at the first one. */
  readonly members?: NonNullable<Identity['members']>;
  /** The cluster was there before this member. */
  readonly joined?: boolean;
}

/** The folder of a member, locked against other processes. */
export interface DataFolder extends AsyncDisposable {
  readonly path: string;
  /** No member has started here yet. A member that has run before and finds this lost its log, and its votes. */
  readonly fresh: boolean;
  /** To be called when the first start has succeeded: from now on the folder is not fresh. Durable when it resolves. */
  markStarted(): Promise<void>;
  /** The cluster has removed this member: it must not start here again. Durable when it resolves. */
  markRemoved(): Promise<void>;
  /**
   * The member was refused before it had voted, acknowledged or stored anything: another one may begin here. Nothing is
   * written afterwards. Durable when it resolves.
   */
  markVacant(): Promise<void>;
  /** Gives the lock up; nothing is written afterwards. Idempotent. */
  close(): Promise<void>;
}

const identityName = 'identity.json';
const lockName = 'lock';

/**
 * Locks the folder and checks that it is this member's.
 *
 * @throws ConclaveError 'data-locked', 'data-incompatible' (another cluster or member, or a newer format),
 * 'data-damaged', 'disk-failed', 'disk-full'.
 */
export async function openDataFolder(options: DataFolderOptions): Promise<DataFolder> {
  const { disk, path } = options;
  await disk.makeFolder(path, { ownerOnly: true });
  const lock = await disk.lock(`${path}/${lockName}`);
  try {
    const left = await readIdentity(disk, path);
    if (left?.vacant === true) await clear(disk, path);
    const found = left?.vacant === true ? undefined : left;
    if (found !== undefined) await check(found, options);
    let identity = found ?? (await initialize(options, left));
    if (!identity.started) await syncFoldersAbove(disk, path);
    let changing: Promise<void> = Promise.resolve();
    /** The folder may be another's by now: what is written then would be taken for what that one says. */
    let over = false;
    let unlocking: Promise<void> | undefined;
    const close = (): Promise<void> => {
      over = true;
      unlocking ??= changing.then(() => lock[Symbol.asyncDispose]());
      return unlocking;
    };
    // One after the other: a member that is starting may be told meanwhile that it was removed.
    const change = (changed: Partial<Identity>): Promise<void> => {
      if (over) return changing;
      if (changed.vacant === true) over = true;
      identity = { ...identity, ...changed };
      const written = identity;
      const writing = changing.then(() => writeIdentity(disk, path, written));
      changing = writing.catch(() => {});
      return writing;
    };
    return {
      path,
      fresh: !identity.started,
      async markStarted() {
        if (!identity.started) await change({ started: true });
      },
      markRemoved: () => change({ removed: true }),
      markVacant: () => change({ vacant: true }),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** Some of them may have been made just now: their names must survive a power failure as their contents do. */
async function syncFoldersAbove(disk: Disk, path: string): Promise<void> {
  const parts = path.replace(/\/+$/, '').split('/');
  for (let count = parts.length - 1; count >= 0; count--) {
    const above = parts.slice(0, count).join('/') || (path.startsWith('/') ? '/' : '.');
    try {
      await disk.syncFolder(above);
    } catch (error) {
      // Not ours to open: then it was not made just now either.
      if (ConclaveError.is(error, 'disk-failed')) return;
      throw error;
    }
  }
}

/** Of a folder that is vacant. Its identity stays until another takes its place: a crash leaves it vacant. */
async function clear(disk: Disk, path: string): Promise<void> {
  for (const folder of [`${path}/log`, `${path}/snapshots`]) {
    const names = await namesIn(disk, folder);
    for (const name of names) await disk.remove(`${folder}/${name}`);
    // Before another identity stands: what came back after a crash would be taken for that one's.
    if (names.length > 0) await disk.syncFolder(folder);
  }
}

async function namesIn(disk: Disk, folder: string): Promise<string[]> {
  try {
    return await disk.list(folder);
  } catch (error) {
    if (ConclaveError.is(error, 'not-found')) return [];
    throw error;
  }
}

/** `vacant`: what was here is known to be nothing. */
async function initialize(options: DataFolderOptions, vacant: Identity | undefined): Promise<Identity> {
  const { disk, path } = options;
  const names = await disk.list(path);
  if (names.includes('member') && (await isOfEtcd(disk, `${path}/member`))) {
    throw incompatible(
      path,
      'belongs to a member of etcd, and only etcd reads it: use another folder. To move from etcd, copy its keys while it runs: docs/guides/moving-from-etcd.md',
    );
  }
  const found = names.filter((name) => name === 'log' || name === 'snapshots');
  if (found.length > 0 && vacant === undefined) {
    throw new ConclaveError(
      'data-damaged',
      `The data folder '${path}' holds ${found.map((name) => `'${name}'`).join(' and ')}, but no ${identityName} that ` +
        'says whose they are. Put the file back from a backup; or, while a majority of the other members runs, move ' +
        'the folder away, and have a new member in its place: conclave member replace.',
      { details: { path } },
    );
  }
  const { clusterId, memberId, name, members, joined } = options;
  const kept = { ...(members !== undefined && { members }), ...(joined === true && { joined }) };
  const identity = { formatVersion: folderFormatVersion, clusterId, memberId, name, started: false, ...kept };
  await writeIdentity(disk, path, identity);
  return identity;
}

/** Beside etcd's files ours would do no harm, but whoever starts us there takes etcd's data for ours. */
async function isOfEtcd(disk: Disk, path: string): Promise<boolean> {
  try {
    return (await disk.list(path)).some((name) => name === 'wal' || name === 'snap');
  } catch (error) {
    if (ConclaveError.is(error, 'not-found') || ConclaveError.is(error, 'disk-failed')) return false;
    throw error;
  }
}

async function writeIdentity(disk: Disk, path: string, identity: Identity): Promise<void> {
  const temporary = `${path}/${identityName}.new`;
  const file = await disk.open(temporary, { create: true, ownerOnly: true });
  try {
    await file.truncate(0);
    await file.writeAt(0, [encodeIdentity(identity)]);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, `${path}/${identityName}`);
  await disk.syncFolder(path);
}

/** undefined where there is none. @throws ConclaveError 'data-damaged', 'data-incompatible', 'disk-failed' */
export async function readIdentity(disk: Disk, path: string): Promise<Identity | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await disk.read(`${path}/${identityName}`);
  } catch (error) {
    if (ConclaveError.is(error, 'not-found')) return undefined;
    throw error;
  }
  const identity = parse(path, bytes);
  if (identity.formatVersion > folderFormatVersion) {
    throw incompatible(
      path,
      `has format ${identity.formatVersion}, but this version reads up to ${folderFormatVersion}: run the version that ` +
        'wrote it, or a newer one',
    );
  }
  return identity;
}

async function check(identity: Identity, options: DataFolderOptions): Promise<void> {
  const { disk, path, clusterId, memberId, name } = options;
  if (identity.clusterId !== clusterId) {
    throw incompatible(
      path,
      `belongs to cluster ${identity.clusterId.toString(16)}, but this member was told to be in cluster ${clusterId.toString(16)}: check the ` +
        'initial cluster and its token, which must be as they were, or use another folder',
    );
  }
  if (identity.memberId !== memberId) {
    throw incompatible(
      path,
      `belongs to member '${identity.name}' (${identity.memberId.toString(16)}), but this is '${name}' (${memberId.toString(16)}): start it ` +
        'with that name and its peer URLs, or use another folder',
    );
  }
  // A crash may have come between the renaming and its becoming durable.
  await disk.syncFolder(path);
}

/** What is newer has only its version. */
function parse(path: string, bytes: Uint8Array): Identity {
  const identity = decodeIdentity(bytes);
  if (identity !== undefined) return { clusterId: 0, memberId: 0, name: '', started: true, ...identity };
  throw new ConclaveError(
    'data-damaged',
    `'${path}/${identityName}' is not what was written. Put it back from a backup; or, while a majority of the other ` +
      'members runs, move the data folder away, and have a new one in its place: conclave member replace.',
    { details: { path } },
  );
}

function incompatible(path: string, what: string): ConclaveError {
  return new ConclaveError('data-incompatible', `The data folder '${path}' ${what}.`, { details: { path } });
}
