import { createHash } from 'node:crypto';
import { ConclaveError } from '../../errors/index.ts';
import type { Disk, File } from '../../runtime/index.ts';
import { type BackupDescription, digestBytes, encodeHead, padding } from './format.ts';

const pieceBytes = 64 * 1024;

export interface Backup extends AsyncDisposable {
  /** Of the whole file. */
  readonly sizeBytes: number;
  /** The file from its first byte to its last, read from disk as it is taken. Once. */
  read(): AsyncIterable<Uint8Array>;
}

export interface BackupSource {
  readonly disk: Disk;
  /** Of the newest snapshot on disk, which may give way to a newer one at any time. */
  readonly snapshotPath: () => Promise<string>;
  readonly description: Omit<BackupDescription, 'contentBytes'>;
}

/**
 * Opens the newest snapshot as a backup. It stays readable when a newer one takes its place: who reads slowly keeps
 * nothing in memory, and holds nothing up.
 */
export async function makeBackup(source: BackupSource): Promise<Backup> {
  const file = await openNewest(source);
  try {
    const contentBytes = await file.size();
    const head = encodeHead({ ...source.description, contentBytes });
    const unpadded = head.length + contentBytes;
    const zeros = padding(unpadded);
    const sizeBytes = unpadded + zeros.length + digestBytes;
    return {
      sizeBytes,
      read: () => readAll(file, head, contentBytes, zeros),
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openNewest({ disk, snapshotPath }: BackupSource): Promise<File> {
  for (;;) {
    try {
      return await disk.open(await snapshotPath(), { readOnly: true });
    } catch (error) {
      // A newer one took its place between the looking and the opening.
      if (!ConclaveError.is(error, 'not-found')) throw error;
    }
  }
}

async function* readAll(
  file: File,
  head: Uint8Array,
  contentBytes: number,
  zeros: Uint8Array,
): AsyncGenerator<Uint8Array> {
  const digest = createHash('sha256').update(head);
  yield head;
  for (let at = 0; at < contentBytes; ) {
    const piece = await file.readAt(at, Math.min(pieceBytes, contentBytes - at));
    if (piece.length === 0) throw new ConclaveError('disk-failed', 'A snapshot ended while it was read.');
    at += piece.length;
    digest.update(piece);
    yield piece;
  }
  digest.update(zeros);
  if (zeros.length > 0) yield zeros;
  yield new Uint8Array(digest.digest());
}
