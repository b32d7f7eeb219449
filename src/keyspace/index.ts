/**
 * The replicated state machine: etcd's multi-version keyspace, transactions, leases in cluster time, watches, client
 * incarnations, snapshots; and the binary form of what goes through the log.
 *
 * Guarantees: the same batches at the same indexes give the same state, results and snapshots on every replica; a
 * command with an identity is applied once; a lease ends when an applied stamp is strictly after its deadline, never
 * earlier; watchers see every matching event once, in order, revisions whole.
 *
 * Must not: read a clock, draw random numbers, do I/O, or import anything from outside this folder.
 */
export { alarmKinds } from './alarms.ts';
export { revisionRaise } from './begin-anew.ts';
export {
  batchFormatVersion,
  batchTimeMs,
  decodeBatch,
  decodeSubmittedCommand,
  encodeBatch,
  encodeBatchOf,
  encodeSubmittedCommand,
} from './codec-batch.ts';
export { decodeCommandResult, encodeCommandResult } from './codec-results.ts';
export { InvariantViolation, MalformedData } from './errors.ts';
export { Keyspace } from './keyspace.ts';
export { maxTtlMs } from './leases.ts';
export { countOperations, txnHasDuplicateKeys } from './operation-limits.ts';
export { storageCost } from './storage-cost.ts';
export type * from './types.ts';
