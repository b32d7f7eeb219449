/** Hash of one record, for the state hash: sums of these do not depend on where anything lies in memory. */
import { finishHash, hashBytes, mixBigInt, mixHash, mixNumber } from './bytes.ts';
import type { RecordFields } from './content.ts';

/** Unsigned 32 bits. The value is what stands from `start` to `end` in that of the fields. */
export function recordHash(
  keyHash: number,
  fields: RecordFields,
  start = 0,
  end = fields.value?.length ?? 0,
): number {
  let hash = mixNumber(keyHash, fields.modRevision);
  hash = mixNumber(hash, fields.createRevision);
  hash = mixNumber(hash, fields.version);
  hash = mixBigInt(hash, fields.lease);
  const value = fields.value;
  hash = mixHash(hash, value === undefined ? -1 : hashBytes(value, start, end, 0));
  return finishHash(hash);
}
