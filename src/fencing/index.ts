/**
 * Resources that refuse a leader whose time is over, by comparing fencing tokens themselves.
 *
 * Guarantees: a resource never accepts a write with a token below the highest that has written to it, whatever clocks,
 * pauses and networks do.
 *
 * Must not: rely on `assertHeld()` or on any lease for that; reach the disk but through the runtime.
 */
export {
  type FencedLeadership,
  type FileVersion,
  VersionedFile,
  type VersionedFileOptions,
  versionedFile,
  type WriteOptions,
  type Writer,
  type Written,
} from './versioned-file.ts';
