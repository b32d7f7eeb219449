import { createHash } from 'node:crypto';
import { ConclaveError } from '../../errors/index.ts';
import { InvariantViolation as BrokenState, Keyspace, MalformedData } from '../../keyspace/index.ts';
import type { SnapshotMeta } from '../../raft/index.ts';
import type { Disk, File } from '../../runtime/index.ts';
import { MalformedBytes } from '../log/bytes.ts';
import { inspect, readChunks } from '../snapshots/reading.ts';
import {
  type BackupDescription,
  decodeHead,
  digestBytes,
  headLength,
  headStartBytes,
  isWholeSize,
  whatItIs,
} from './format.ts';

const pieceBytes = 1024 * 1024;

export interface BackupFile {
  readonly description: BackupDescription;
  readonly meta: SnapshotMeta;
  readonly sizeBytes: number;
  /** In hexadecimal, of the whole file but for itself: tells two backups apart. */
  readonly sha256: string;
  /** Reads the content into a keyspace, which checks it once more. Takes as much memory as a member does. */
  load(): Promise<Keyspace>;
}

/**
 * Opens a backup after reading all of it once.
 *
 * @throws ConclaveError 'not-found', 'data-damaged', 'data-incompatible' (a newer format, or not a backup of ours),
 * 'disk-failed'.
 */
export async function openBackup(disk: Disk, path: string): Promise<BackupFile> {
  await using file = await disk.open(path, { readOnly: true });
  const start = await file.readAt(0, headStartBytes);
  const headBytes = headLength(start);
  if (headBytes === undefined) {
    throw new ConclaveError('data-incompatible', `'${path}' ${whatItIs(start)}.`, { details: { path } });
  }
  const sizeBytes = await file.size();
  if (!isWholeSize(sizeBytes)) throw damaged(path, 'it is not whole: part of its end is missing');
  const sha256 = await digestOf(file, sizeBytes - digestBytes);
  const stated = Buffer.from(await file.readAt(sizeBytes - digestBytes, digestBytes)).toString('hex');
  if (sha256 !== stated) throw damaged(path, 'its content does not match the SHA-256 at its end');
  const description = decodeHead(path, await file.readAt(0, headBytes));
  if (description === undefined) throw damaged(path, 'its head is not what was written');
  const within = { start: headBytes, end: headBytes + description.contentBytes };
  const found = await inspect(path, file, within).catch((error: unknown) => {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  });
  if (found === undefined) throw damaged(path, 'the snapshot in it is not what was written');
  const { header } = found;
  return {
    ...{ description, meta: header.meta, sizeBytes, sha256 },
    async load() {
      const keyspace = new Keyspace();
      const writer = keyspace.restore();
      for await (const chunk of readChunks(disk, path, { header, ...within })) writer.write(chunk);
      try {
        writer.finish();
      } catch (error) {
        if (error instanceof MalformedData) throw foreign(path, error.message.replace(/\.$/, ''));
        if (error instanceof BrokenState) throw damaged(path, error.message.replace(/\.$/, ''));
        throw error;
      }
      return keyspace;
    },
  };
}

async function digestOf(file: File, bytes: number): Promise<string> {
  const digest = createHash('sha256');
  for (let at = 0; at < bytes; ) {
    const piece = await file.readAt(at, Math.min(pieceBytes, bytes - at));
    if (piece.length === 0) break;
    digest.update(piece);
    at += piece.length;
  }
  return digest.digest('hex');
}

/** Its digest is right: it is what was saved. */
function foreign(path: string, what: string): ConclaveError {
  return new ConclaveError(
    'data-incompatible',
    `The backup '${path}' is whole, and holds what this version cannot read: ${what}. Restore it with the version that ` +
      'saved it.',
    { details: { path } },
  );
}

function damaged(path: string, what: string): ConclaveError {
  return new ConclaveError(
    'data-damaged',
    `The backup '${path}' cannot be used: ${what}. Take an older backup, or save a new one from a member that runs.`,
    { details: { path } },
  );
}
