/**
 * Resources that refuse a leader whose time is over, by comparing fencing tokens themselves.
 *
 * Guarantees: a resource never accepts a write with a token below the highest that has written to it, whatever clocks,
 * pauses and networks do.
 *
 * Must not: rely on `assertHeld()` or on any lease for that; reach the disk but through the runtime.
 */
export {
  type AppendOptions,
  FencedLog,
  type FencedLogOptions,
  fencedLog,
  type LogReadOptions,
  type LogRecord,
  type LogState,
} from './log-file/index.ts';
export {
  type GateEntry,
  type GateStorage,
  type GuardOptions,
  type Passage,
  TokenGate,
  type TokenGateOptions,
  tokenGate,
} from './token-gate.ts';
export {
  type FileGateStorageOptions,
  fileGateStorage,
  type MemoryGateStorageOptions,
  memoryGateStorage,
} from './token-gate-storage.ts';
export {
  type FileVersion,
  VersionedFile,
  type VersionedFileOptions,
  versionedFile,
  type WriteOptions,
  type Written,
} from './versioned-file.ts';
export type { FencedLeadership, Writer } from './writer.ts';
