/** Hash of one record, for the state hash: sums of these do not depend on where anything lies in memory. */
import { finishHash, hashBytes, mixBigInt, mixHash, mixNumber } from './bytes.ts';
import type { RecordFields } from './store.ts';

/** `order`: the record's place among those of its revision. Unsigned 32 bits. */
export function recordHash(keyHash: number, fields: RecordFields, order: number): number {
  let hash = mixHash(keyHash, order);
  hash = mixNumber(hash, fields.modRevision);
  hash = mixNumber(hash, fields.createRevision);
  hash = mixNumber(hash, fields.version);
  hash = mixBigInt(hash, fields.lease);
  const value = fields.value;
  hash = mixHash(hash, value === undefined ? -1 : hashBytes(value, 0, value.length, 0));
  return finishHash(hash);
}
