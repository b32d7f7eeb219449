/** Hash of one record, for the state hash: sums of these do not depend on where anything lies in memory. */
import { finishHash, hashBytes, mixBigInt, mixHash, mixNumber } from './bytes.ts';
import type { RecordFields } from './store.ts';

/** Unsigned 32 bits. */
export function recordHash(keyHash: number, fields: RecordFields): number {
  let hash = mixNumber(keyHash, fields.modRevision);
  hash = mixNumber(hash, fields.createRevision);
  hash = mixNumber(hash, fields.version);
  hash = mixBigInt(hash, fields.lease);
  const value = fields.value;
  hash = mixHash(hash, value === undefined ? -1 : hashBytes(value, 0, value.length, 0));
  return finishHash(hash);
}
