import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CommandFailure } from '../failure.ts';
import { whyFailed } from '../members.ts';
import { formatBytes } from '../status.ts';
import { openClient } from '../wiring.ts';

const digestBytes = 32;
const progressEveryMs = 500;

export interface SavedSnapshot {
  readonly endpoint: string;
  readonly sizeBytes: number;
}

/** Streams a backup into `path`, under another name until it is whole, checked and on disk. */
export async function saveSnapshot(
  endpoints: readonly string[],
  path: string,
  timeoutMs: number,
): Promise<SavedSnapshot> {
  const endpoint = await mostAdvanced(endpoints, timeoutMs);
  const unfinished = `${path}.part`;
  let file: FileHandle;
  try {
    // Whoever can read it can read everything that the cluster knows.
    file = await open(unfinished, 'w', 0o600);
  } catch (error) {
    throw new CommandFailure('diskFailed', `${unfinished} cannot be written: ${(error as Error).message}.`);
  }
  try {
    const sizeBytes = await receive(endpoint, file);
    await file.sync();
    await file.close();
    await rename(unfinished, path);
    await syncFolder(dirname(path));
    return { endpoint, sizeBytes };
  } catch (error) {
    await file.close();
    await rm(unfinished, { force: true });
    throw error;
  }
}

/** Of those that answer, the one that has applied most. */
async function mostAdvanced(endpoints: readonly string[], timeoutMs: number): Promise<string> {
  const asked = await Promise.all(
    endpoints.map(async (endpoint) => {
      try {
        await using client = openClient([endpoint]);
        return { endpoint, applied: (await client.memberState({ endpoint, timeoutMs })).appliedIndex };
      } catch (error) {
        return { endpoint, error: whyFailed(error) };
      }
    }),
  );
  let best: { endpoint: string; applied: number } | undefined;
  for (const { endpoint, applied } of asked) {
    if (applied !== undefined && (best === undefined || applied > best.applied)) best = { endpoint, applied };
  }
  if (best !== undefined) return best.endpoint;
  const reasons = asked.map(({ endpoint, error }) => `${endpoint}: ${error}`).join('; ');
  throw new CommandFailure('unreachable', `No member answered. ${reasons}`);
}

async function receive(endpoint: string, file: FileHandle): Promise<number> {
  await using client = openClient([endpoint]);
  const progress = new Progress();
  const digest = createHash('sha256');
  let held: Uint8Array = new Uint8Array(0);
  let received = 0;
  let left = 0;
  for await (const { blob, remainingBytes } of client.maintenance.snapshot(endpoint)) {
    await file.writeFile(blob);
    received += blob.length;
    left = remainingBytes;
    // The last bytes are the digest of all before them, and which are the last shows only in the end.
    const known = Buffer.concat([held, blob]);
    const cut = Math.max(0, known.length - digestBytes);
    digest.update(known.subarray(0, cut));
    held = known.subarray(cut);
    progress.show(received, received + remainingBytes);
  }
  progress.clear();
  if (left !== 0 || received % 512 !== digestBytes || !digest.digest().equals(held)) {
    const message = `${endpoint} sent ${received} bytes that are not a whole backup. Nothing was kept; try again.`;
    throw new CommandFailure('failed', message);
  }
  return received;
}

/** Makes the new name durable. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** One line on a terminal, written over. */
class Progress {
  private shownMs = Number.NEGATIVE_INFINITY;
  private shown = false;

  show(bytes: number, of: number): void {
    const nowMs = performance.now();
    if (!process.stderr.isTTY || nowMs - this.shownMs < progressEveryMs) return;
    this.shownMs = nowMs;
    this.shown = true;
    const percent = Math.floor((100 * bytes) / Math.max(1, of));
    process.stderr.write(`\r\u001b[K${percent} %, ${formatBytes(bytes)} of ${formatBytes(of)}`);
  }

  clear(): void {
    if (this.shown) process.stderr.write('\r\u001b[K');
  }
}
