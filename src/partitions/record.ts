/** What the leader of the roster writes down for all: the layout, who takes part, and which partitions each has. */
import { ConclaveError } from '../errors/index.ts';
import { assignmentVersion } from './assignment.ts';
import { type Layout, partitionsOf } from './layout.ts';
import { checkCount, checkEachKey, leastWeight, mostSeats, mostWeight } from './options.ts';
import type { Spread } from './spread.ts';

export interface RosterRecord {
  readonly layout: Layout;
  /** undefined: nothing is given out yet, or what is was computed by an earlier version. */
  readonly spread: Spread | undefined;
  /** Only on a store that does not show who waits. */
  readonly seated: Seated | undefined;
}

export interface Seated {
  /** How many there are to look for. */
  readonly seats: number;
  /** Who has one, and its weight. */
  readonly members: readonly HolderAndWeight[];
}

type HolderAndWeight = readonly [holder: string, weight: number];

/**
 * The record also has the form of a clean record of an election without a grace (election/record.ts), which every
 * candidate reads on winning.
 */
export function encodeRecord(token: number, { layout, spread, seated }: RosterRecord): Uint8Array {
  const partitions = {
    ...{ format: 1, assignment: assignmentVersion, ...layout },
    ...(spread && encodeSpread(spread)),
    ...seated,
  };
  return new TextEncoder().encode(JSON.stringify({ format: 1, token, graceMs: 0, clean: true, partitions }));
}

/** By the bytes: a roster changes much more often than its record, which all look at each time. */
const decoded = new WeakMap<Uint8Array, RosterRecord>();

/** @throws 'data-damaged', and 'data-incompatible' for what a later version wrote: guessing would split the work. */
export function decodeRecord(name: string, bytes: Uint8Array): RosterRecord {
  const known = decoded.get(bytes);
  if (known !== undefined) return known;
  const record = decode(name, bytes);
  decoded.set(bytes, record);
  return record;
}

function decode(name: string, bytes: Uint8Array): RosterRecord {
  let value: { readonly partitions?: Record<string, unknown> } | null;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged(name, cause);
  }
  const { format, assignment, count, keys, among, owners, seats, members } = value?.partitions ?? {};
  if (isLater(format, 1) || isLater(assignment, assignmentVersion)) {
    const message = `The partitions ${JSON.stringify(name)} are laid out by a later version (format ${format}, assignment ${assignment}); this one knows format 1 and assignment ${assignmentVersion}. Update this program.`;
    throw new ConclaveError('data-incompatible', message);
  }
  if (format !== 1 || (assignment !== 1 && assignment !== assignmentVersion)) throw damaged(name);
  try {
    const seated = seats === undefined && members === undefined ? undefined : { seats, members };
    if (seated !== undefined && !isSeated(seated)) throw damaged(name);
    if ((keys === undefined) === (count === undefined)) throw damaged(name);
    const layout =
      keys === undefined ? { count: checkCount(name, count) } : { keys: checkEachKey(name, keys) };
    const spread = among === undefined && owners === undefined ? undefined : { among, owners };
    if (assignment !== assignmentVersion || spread === undefined)
      return { layout, spread: undefined, seated };
    return { layout, spread: decodeSpread(name, spread, partitionsOf(layout)), seated };
  } catch (cause) {
    throw damaged(name, cause);
  }
}

function isLater(version: unknown, known: number): boolean {
  return typeof version === 'number' && version > known;
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const digitValues = new Map([...digits].map((digit, value) => [digit, value]));

/** How many digits tell one of so many members. */
function widthFor(members: number): number {
  return members <= digits.length ? 1 : members <= digits.length ** 2 ? 2 : 3;
}

/** One, two or three letters for each partition, since this is what makes the record large. */
function encodeSpread({ members, owners }: Spread) {
  const width = widthFor(members.length);
  const letters = new Map<string, string>();
  for (const [position, { holder }] of members.entries()) {
    let [text, rest] = ['', position];
    for (let digit = 0; digit < width; digit++) {
      text = `${digits[rest % digits.length]}${text}`;
      rest = Math.floor(rest / digits.length);
    }
    letters.set(holder, text);
  }
  return {
    among: members.map(({ holder, weight }): HolderAndWeight => [holder, weight]),
    owners: [...owners.values()].map((holder) => letters.get(holder)).join(''),
  };
}

function decodeSpread(
  name: string,
  { among, owners }: { readonly among: unknown; readonly owners: unknown },
  partitions: readonly string[],
): Spread {
  if (!areMembers(among) || typeof owners !== 'string') throw damaged(name);
  const width = widthFor(among.length);
  const isWhole = owners.length === partitions.length * width;
  if (!isWhole || new Set(among.map(([holder]) => holder)).size < among.length) throw damaged(name);
  const found = new Map<string, string>();
  for (const [position, partition] of partitions.entries()) {
    let index = 0;
    for (let at = position * width; at < (position + 1) * width; at++)
      index = index * digits.length + (digitValues.get(owners[at] ?? '') ?? Number.NaN);
    const member = among[index];
    if (member === undefined) throw damaged(name);
    found.set(partition, member[0]);
  }
  return { members: among.map(([holder, weight]) => ({ holder, weight })), owners: found };
}

function isSeated(value: { readonly seats: unknown; readonly members: unknown }): value is Seated {
  const { seats, members } = value;
  if (!Number.isInteger(seats) || (seats as number) < 1 || (seats as number) > mostSeats) return false;
  return areMembers(members);
}

function areMembers(value: unknown): value is readonly HolderAndWeight[] {
  return Array.isArray(value) && value.every((one) => Array.isArray(one) && isMember(one));
}

function isMember([holder, weight]: readonly unknown[]): boolean {
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
