/** The options of partitions, their defaults, and their checks: all of them before anything has an effect. */
import type { ElectionOptions, Leadership, LeaseStore } from '../election/index.ts';
import {
  candidateOptionNames,
  checkMetadata,
  checkName,
  checkSignal,
  checkStore,
  resolveElectionSettings,
} from '../election/options.ts';
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { PartitionsEventListener, RevocationReason } from './events.ts';
import { jobWarnings } from './job-warnings.ts';
import type { Layout } from './layout.ts';
import { encodeMember } from './member.ts';

export type { Layout } from './layout.ts';

export interface PartitionsOptions extends Omit<ElectionOptions, 'priority' | 'yieldToPriority' | 'onEvent'> {
  /**
   * How many partitions, '0' to count - 1; keys are hashed to them. 1 to 65536. It can grow: see `Partitions`. Give
   * either this or `keys`.
   */
  readonly count?: number | undefined;
  /** Partitions by name, each its own: 1 to 4096 of 1 to 256 bytes, together at most 16384; not 'roster' or 'roster/…'. */
  readonly keys?: readonly string[] | undefined;
  /**
   * This process's share beside the others' shares: it is given at most count · weight / (sum of the weights), rounded
   * up. 0.01 to 100, in millionths; default 1.
   */
  readonly weight?: number | undefined;
  /**
   * The job of a partition: called when this process begins to lead it. Stop when `leadership.signal` aborts; the
   * next process leads after the returned promise has settled. One that returns earlier leaves the partition led until
   * it is revoked, so it may also just start something that `onRevoked` stops.
   */
  readonly onAssigned: (leadership: Leadership, partition: string) => unknown;
  /**
   * Called when a partition begins to be given up or was lost, right when `leadership.signal` aborts, beside the
   * job that may still run. The next process leads after this settled, too, unless the leadership was lost.
   */
  readonly onRevoked?:
    | ((leadership: Leadership, partition: string, reason: RevocationReason) => unknown)
    | undefined;
  /**
   * Hears what `onAssigned` threw while it led or what `onRevoked` threw. The partition is resigned and campaigned for
   * again, later and later (at most a TTL) while that goes on. `onEvent` is told the same by 'partition-job-failed';
   * without either the process warns (`CONCLAVE_PARTITION_JOB_FAILED`), at most once a second.
   */
  readonly onJobError?: ((error: unknown, leadership: Leadership, partition: string) => unknown) | undefined;
  /**
   * After this long a job that should stop is reported by the event 'drain-overran'; it keeps its partition all the
   * same until it settles or the session ends. 0 to 86400000; default 30000.
   */
  readonly drainMs?: number | undefined;
  /**
   * How long nobody else must have joined before those who joined are given partitions (at most ten times that), so
   * that a start of many processes moves each partition once; what counts is this option of the process that leads the
   * roster. Who left is replaced at once. 0 to 60000; default 200.
   */
  readonly settleMs?: number | undefined;
  /** Hears the events of the partitions, and those of the elections under them; what it throws is ignored. */
  readonly onEvent?: PartitionsEventListener | undefined;
  /** Closes the partitions, as disposing them does. */
  readonly signal?: AbortSignal | undefined;
}

/** Complete: the compiler says so. */
const ownNames = {
  count: true,
  keys: true,
  weight: true,
  onAssigned: true,
  onRevoked: true,
  onJobError: true,
  drainMs: true,
  settleMs: true,
  signal: true,
} as const satisfies Record<Exclude<keyof PartitionsOptions, keyof ElectionOptions>, true>;

const optionNames: readonly string[] = [
  ...candidateOptionNames.filter((name) => !['session', 'priority', 'yieldToPriority'].includes(name)),
  ...Object.keys(ownNames),
];

export interface PartitionsSettings {
  readonly layout: Layout;
  readonly weight: number;
  readonly metadata: string;
  readonly drainMs: number;
  readonly settleMs: number;
  readonly onAssigned: PartitionsOptions['onAssigned'];
  readonly onRevoked: PartitionsOptions['onRevoked'];
  readonly onJobError: PartitionsOptions['onJobError'];
  readonly onEvent: PartitionsEventListener | undefined;
}

const countLimit = 65_536;
const keysLimit = 4096;
const keyLimitBytes = 256;
const keysLimitBytes = 16_384;
export const rosterKey = 'roster';
/** Where processes take seats: see `seats.ts`. */
export const mostSeats = 4096;
export const leastWeight = 0.01;
export const mostWeight = 100;

/** @throws 'invalid-argument' or 'unsupported'. */
export function resolvePartitions(
  store: LeaseStore,
  name: string,
  options: PartitionsOptions,
): PartitionsSettings {
  checkPartitionsName(name);
  checkStore(store);
  if (typeof options !== 'object' || options === null) {
    throw invalid('The third argument must be options, at least { count, onAssigned }.');
  }
  checkNames('The options of partitions', options, optionNames);
  checkSignal(options.signal);
  const { onAssigned, onRevoked, onJobError, metadata = '', runtime = nodeRuntime() } = options;
  for (const [what, given] of Object.entries({ onAssigned, onRevoked, onJobError })) {
    if (typeof given !== 'function' && (given !== undefined || what === 'onAssigned')) {
      throw invalid(`${what} must be a function.`);
    }
  }
  const layout = checkLayout(name, options);
  const weight = checkRange('weight', options.weight ?? 1, leastWeight, mostWeight);
  resolveElectionSettings(store, { ...options, onEvent: undefined, priority: 0 });
  checkMetadata(encodeMember({ weight, metadata, declared: layout }));
  return {
    layout,
    weight,
    metadata,
    drainMs: checkRange('drainMs', options.drainMs ?? 30_000, 0, 86_400_000),
    settleMs: checkRange('settleMs', options.settleMs ?? 200, 0, 60_000),
    onAssigned,
    onRevoked,
    onJobError: onJobError ?? (options.onEvent === undefined ? jobWarnings(name, runtime.clock) : undefined),
    onEvent: options.onEvent,
  };
}

/** @throws 'invalid-argument'. */
export function checkPartitionsName(name: string): void {
  if (typeof name !== 'string' || name === '') throw invalid('The name of the partitions must be a text.');
  checkName(seatElection(name, Number.MAX_SAFE_INTEGER));
}

export function rosterElection(name: string): string {
  return `${name}/${rosterKey}`;
}

export function seatElection(name: string, seat: number): string {
  return `${rosterElection(name)}/${seat}`;
}

export function partitionElection(name: string, partition: string): string {
  return `${name}/${partition}`;
}

/** For what came from another process. */
export function isLayout(value: { readonly count?: unknown; readonly keys?: unknown }): value is Layout {
  try {
    return checkLayout('n', value) !== undefined;
  } catch {
    return false;
  }
}

function checkLayout(name: string, given: { readonly count?: unknown; readonly keys?: unknown }): Layout {
  const { count, keys } = given;
  if ((count === undefined) === (keys === undefined)) {
    throw invalid('Give either count, the number of partitions, or keys, their names.');
  }
  if (keys !== undefined) return { keys: checkKeys(name, keys) };
  return { count: checkCount(name, count) };
}

/** @throws 'invalid-argument'. */
export function checkCount(name: string, count: unknown): number {
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > countLimit) {
    throw invalid(`count must be a whole number from 1 to ${countLimit}, not ${String(count)}.`);
  }
  checkName(partitionElection(name, String(count)));
  return count;
}

function checkKeys(name: string, keys: unknown): readonly string[] {
  const sorted = checkEachKey(name, keys);
  if (sorted.length > keysLimit)
    throw invalid(`keys has ${sorted.length} entries; the limit is ${keysLimit}.`);
  const sumBytes = new TextEncoder().encode(sorted.join('')).length;
  if (sumBytes > keysLimitBytes) {
    throw invalid(`keys has ${sumBytes} bytes together; the limit is ${keysLimitBytes}. Use count for more.`);
  }
  return sorted;
}

/** Sorted. Not how many there are: what is agreed holds those of all processes. @throws 'invalid-argument'. */
export function checkEachKey(name: string, keys: unknown): readonly string[] {
  if (!Array.isArray(keys) || keys.length === 0) throw invalid('keys must be a list of at least one name.');
  for (const key of keys) {
    if (typeof key !== 'string' || key === '')
      throw invalid('Each of keys must be a text that is not empty.');
    if (key === rosterKey || key.startsWith(`${rosterKey}/`))
      throw invalid(`A key cannot be ${JSON.stringify(key)}: choose another name.`);
    const sizeBytes = new TextEncoder().encode(key).length;
    if (sizeBytes > keyLimitBytes) {
      throw invalid(`The key ${JSON.stringify(key)} has ${sizeBytes} bytes; the limit is ${keyLimitBytes}.`);
    }
    checkName(partitionElection(name, key));
  }
  const sorted = [...keys].sort();
  const twice = sorted.find((key, position) => key === sorted[position + 1]);
  if (twice !== undefined) throw invalid(`keys has ${JSON.stringify(twice)} twice.`);
  return sorted;
}

function checkRange(what: string, value: number, least: number, most: number): number {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  throw invalid(`${what} must be a number from ${least} to ${most}, not ${String(value)}.`);
}

function invalid(message: string): ConclaveError {
  return new ConclaveError('invalid-argument', message);
}
