/**
 * Objects of an S3 store that refuse a leader whose time is over.
 *
 * Guarantees: an object is never written with a token below the highest that has written it, on a store with atomic
 * conditional writes.
 *
 * Must not: write without a condition; trust an ETag that two writes could share; guess an answer that was lost.
 */
export { type CheckConditionalWritesOptions, checkConditionalWrites } from './check-conditional-writes.ts';
export {
  FencedObject,
  type FencedObjectOptions,
  fencedObject,
  type ObjectCallOptions,
  type ObjectClient,
  type ObjectVersion,
  type ObjectWriteOptions,
  type ObjectWritten,
} from './fenced-object.ts';
