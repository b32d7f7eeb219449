/** Which partitions there are: agreed by all through the record of the roster's election, and only ever growing. */
import { ConclaveError } from '../errors/index.ts';
import { assignmentVersion } from './assignment.ts';
import { hashKeys, hashText, modulo } from './hash.ts';
import { checkCount, checkEachKey, leastWeight, mostSeats, mostWeight } from './options.ts';

/** `count`: partitions '0' to count - 1, to which keys are hashed. `keys`: each key is a partition of its own. */
export type Layout =
  | { readonly count: number; readonly keys?: undefined }
  | { readonly keys: readonly string[]; readonly count?: undefined };

export function partitionsOf(layout: Layout): readonly string[] {
  return layout.keys ?? Array.from({ length: layout.count }, (_, partition) => String(partition));
}

/** undefined: there is no partition of that key. */
export function partitionOf(layout: Layout, key: string): string | undefined {
  if (layout.keys !== undefined) return layout.keys.includes(key) ? key : undefined;
  return String(modulo(hashText(hashKeys.routed, key), layout.count));
}

/** The smallest layout that holds both; undefined where one has a count and the other keys. */
export function grown(layout: Layout | undefined, other: Layout): Layout | undefined {
  if (layout === undefined) return other;
  if (layout.keys !== undefined && other.keys !== undefined) {
    const keys = [...new Set([...layout.keys, ...other.keys])].sort();
    return keys.length === layout.keys.length ? layout : { keys };
  }
  if (layout.count === undefined || other.count === undefined) return undefined;
  return other.count > layout.count ? { count: other.count } : layout;
}

export function describeLayout(layout: Layout): string {
  return layout.keys === undefined ? `${layout.count} partitions` : `${layout.keys.length} keys`;
}

/** What the leader of the roster writes down for all. */
export interface RosterRecord {
  readonly layout: Layout;
  /** Only on a store that does not show who waits. */
  readonly seated: Seated | undefined;
}

export interface Seated {
  /** How many there are to look for. */
  readonly seats: number;
  /** Who has one, and its weight. */
  readonly members: readonly (readonly [holder: string, weight: number])[];
}

/**
 * The record also has the form of a clean record of an election without a grace (election/record.ts), which every
 * candidate reads on winning.
 */
export function encodeRecord(token: number, { layout, seated }: RosterRecord): Uint8Array {
  const partitions = { format: 1, assignment: assignmentVersion, ...layout, ...seated };
  return new TextEncoder().encode(JSON.stringify({ format: 1, token, graceMs: 0, clean: true, partitions }));
}

/** @throws 'data-damaged', and 'data-incompatible' for what a later version wrote: guessing would split the work. */
export function decodeRecord(name: string, bytes: Uint8Array): RosterRecord {
  let value: { readonly partitions?: Record<string, unknown> } | null;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged(name, cause);
  }
  const { format, assignment, count, keys, seats, members } = value?.partitions ?? {};
  if ((typeof format === 'number' && format > 1) || (typeof assignment === 'number' && assignment > 1)) {
    const message = `The partitions ${JSON.stringify(name)} are laid out by a later version (format ${format}, assignment ${assignment}); this one knows format 1 and assignment ${assignmentVersion}. Update this program.`;
    throw new ConclaveError('data-incompatible', message);
  }
  if (format !== 1 || assignment !== 1) throw damaged(name);
  try {
    const seated = seats === undefined && members === undefined ? undefined : { seats, members };
    if (seated !== undefined && !isSeated(seated)) throw damaged(name);
    if (keys === undefined) return { layout: { count: checkCount(name, count) }, seated };
    if (count === undefined) return { layout: { keys: checkEachKey(name, keys) }, seated };
  } catch (cause) {
    throw damaged(name, cause);
  }
  throw damaged(name);
}

function isSeated(value: { readonly seats: unknown; readonly members: unknown }): value is Seated {
  const { seats, members } = value;
  if (!Number.isInteger(seats) || (seats as number) < 1 || (seats as number) > mostSeats) return false;
  return Array.isArray(members) && members.every((one) => Array.isArray(one) && isSeatedMember(one));
}

function isSeatedMember([holder, weight]: readonly unknown[]): boolean {
  return (
    typeof holder === 'string' && typeof weight === 'number' && weight >= leastWeight && weight <= mostWeight
  );
}

function damaged(name: string, cause?: unknown): ConclaveError {
  return new ConclaveError(
    'data-damaged',
    `The record of the partitions ${JSON.stringify(name)} is not one that Conclave wrote; delete it in the store, or choose another name.`,
    { cause },
  );
}
