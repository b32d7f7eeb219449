/**
 * Leader election by lease with fencing tokens, for every store that fulfils the `LeaseStore` contract; and what is
 * built of elections: locks, semaphores, read-write locks.
 *
 * Guarantees: while clock rates stay within `clockDriftRate`, no two processes pass `assertHeld()` for one election
 * at the same instant; tokens rise from leadership to leadership; no background failure goes unhandled, and trouble
 * with the store is retried, never guessed about.
 *
 * Must not: know any store, read a clock or timer but the runtime's, or let a listener's exception stop a loop.
 */
export { Candidate, type CandidateOptions } from './candidate.ts';
export { type ElectOptions, elect, type Job } from './elect.ts';
export { type ElectionEvent, type EventListener, electionChannels, type LossCause } from './events.ts';
export type { TransactionOptions } from './guarded-transaction.ts';
export type { Leadership, ResignOptions } from './leadership.ts';
export type { LiveSession, SessionLoss } from './live-session.ts';
export { type Lock, type LockOptions, lock, withLock } from './lock.ts';
export { type ObservedLeader, type ObserveOptions, observe } from './observe.ts';
export type { ElectionOptions, ElectionSessionOptions } from './options.ts';
export {
  type HeldReadWriteLock,
  type ReadWriteLockOptions,
  readWriteLock,
  resizeReadWriteLock,
} from './read-write-lock.ts';
export { type Permit, resizeSemaphore, type SemaphoreOptions, semaphore } from './semaphore.ts';
export { Session } from './session.ts';
export type {
  AcquiredOutcome,
  AcquireOptions,
  AcquireOutcome,
  ElectionState,
  LeaseStore,
  RecordLife,
  RecordOptions,
  SessionConnection,
  SessionOptions,
  StoreCallOptions,
  StoreCapabilities,
  StoreSession,
  Waiter,
} from './store.ts';
export type {
  StoreCompare,
  StoreCompareResult,
  StoreEntry,
  StoreKey,
  StoreOperation,
  StoreOperationResult,
  StoreTransaction,
  StoreTransactionResult,
} from './transaction.ts';
