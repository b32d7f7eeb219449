/** Whether a store keeps what the guard relies on. */
import { ConclaveError } from '../../errors/index.ts';
import { commands } from './commands.ts';
import { failure, refusedSwap } from './failures.ts';
import type { ObjectClient } from './object-cell.ts';

export interface CheckConditionalWritesOptions {
  readonly bucket: string;
  /** An object for this check alone; it is made, and stays. */
  readonly key: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Tries what `fencedObject` relies on: a store that ignores `If-Match` and `If-None-Match` answers as if all were
 * well, and fences nothing. Do this once where the store is not Amazon's, for example when the program starts.
 *
 * Does not show: whether conditional writes stay atomic under concurrency, or on all nodes of a cluster; ask the
 * store's documentation.
 * @throws 'unsupported': a write that had to be refused was carried out; otherwise as `FencedObject.write`.
 */
export async function checkConditionalWrites(
  client: ObjectClient,
  { bucket, key, signal }: CheckConditionalWritesOptions,
): Promise<void> {
  const { PutObjectCommand } = await commands();
  const put = async (condition: { IfMatch: string } | { IfNoneMatch: '*' } | undefined) => {
    const command = new PutObjectCommand({ Bucket: bucket, Key: key, Body: 'conclave', ...condition });
    try {
      await client.send(command, { ...(signal && { abortSignal: signal }) });
      return true;
    } catch (error) {
      if (condition !== undefined && refusedSwap(error) !== undefined) return false;
      throw failure(`Checking the conditional writes of s3://${bucket}/${key}`, error, 'write', signal);
    }
  };
  await put(undefined);
  const otherEtag = `"${'0'.repeat(32)}"`;
  if ((await put({ IfNoneMatch: '*' })) || (await put({ IfMatch: otherEtag }))) {
    const message = `The store of s3://${bucket} carried out a conditional write that it had to refuse, so it cannot fence.`;
    throw new ConclaveError('unsupported', message);
  }
}
