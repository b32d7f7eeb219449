import { join } from 'node:path';
import { ConclaveError } from '../../errors/index.ts';
import type { Disk } from '../../runtime/types.ts';

export interface PlainContent {
  /** Who wrote it last. */
  readonly token: number;
  /** Writes that it has taken, as far as each writer knew. */
  readonly count: number;
}

/** The file, and what really became of it: shared by all who write it in one world. */
export interface PlainFile {
  readonly folder: string;
  readonly name: string;
  /** The last write that took effect; known to the observer, not to the writers. */
  latest: PlainContent;
  /** Writes that took effect. */
  writes: number;
}

export function plainFile(folder: string, name: string): PlainFile {
  return { folder, name, latest: { token: 0, count: 0 }, writes: 0 };
}

export async function readPlain(disk: Disk, file: PlainFile): Promise<PlainContent> {
  try {
    return JSON.parse(
      new TextDecoder().decode(await disk.read(join(file.folder, file.name))),
    ) as PlainContent;
  } catch (error) {
    if (ConclaveError.is(error, 'not-found')) return { token: 0, count: 0 };
    throw error;
  }
}

/**
 * In the ordinary way: a new file, renamed over the old one once `written` (much of it may take long). True: it undid
 * what a later leader had written.
 */
export async function writePlain(
  disk: Disk,
  file: PlainFile,
  content: PlainContent,
  unique: string,
  written?: () => Promise<void>,
): Promise<boolean> {
  const temporary = join(file.folder, `${file.name}.${unique}`);
  const open = await disk.open(temporary, { create: true });
  try {
    await open.writeAt(0, [new TextEncoder().encode(JSON.stringify(content))]);
    await open.sync();
  } finally {
    await open.close();
  }
  await written?.();
  await disk.rename(temporary, join(file.folder, file.name));
  const stale = content.token < file.latest.token;
  file.latest = content;
  file.writes += 1;
  return stale;
}
