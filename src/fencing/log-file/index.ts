/**
 * The fenced append-only log: one file, appended to by leaders one after the other, read by anybody.
 *
 * Guarantees: which frame counts follows from the bytes before it alone (`history.ts` says why that is enough), so
 * writers and readers agree for good, without a lock.
 *
 * Must not: change or remove a byte of the file once it is written.
 */
export {
  type AppendOptions,
  FencedLog,
  type FencedLogOptions,
  fencedLog,
  type LogReadOptions,
  type LogRecord,
  type LogState,
} from './fenced-log.ts';
