import type { CallOptions, ConclaveClient } from '../../client/index.ts';
import type { RecordOptions } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';

/** A record to be written; lease 0: it stays. */
export interface RecordWrite {
  readonly value: Uint8Array;
  readonly lease: bigint;
}

/**
 * Makes a write of the record that is forgotten in time: under a lease that nobody renews. A try whose write did not
 * take place gives the lease back; one whose answer was lost leaves it to run out with what hangs on it.
 */
export async function withRecord<T>(
  client: Pick<ConclaveClient, 'leaseGrant' | 'leaseRevoke'>,
  options: RecordOptions,
  call: CallOptions,
  write: (record: RecordWrite | undefined) => Promise<T>,
): Promise<T> {
  const { record: value, recordTtlMs } = options;
  if (value === undefined) return await write(undefined);
  if (recordTtlMs === undefined) return await write({ value, lease: 0n });
  if (!(recordTtlMs > 0)) {
    const message = `A record cannot be kept for ${recordTtlMs} ms: give more than 0, or leave it out.`;
    throw new ConclaveError('invalid-argument', message);
  }
  const { lease } = await client.leaseGrant(Math.ceil(recordTtlMs), call);
  const giveBack = (): void => void client.leaseRevoke(lease, { timeoutMs: 1000 }).catch(() => {});
  try {
    const result = await write({ value, lease });
    if (result === false) giveBack();
    return result;
  } catch (error) {
    if (!ConclaveError.is(error) || error.outcome === 'not-applied') giveBack();
    throw error;
  }
}
