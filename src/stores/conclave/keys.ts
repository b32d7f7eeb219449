import { prefixEnd, toBytes, toText } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';

/** Longer names would make keys that etcd's tools cannot show sensibly. In bytes of UTF-8. */
const MAX_NAME_BYTES = 1024;
/** UTF-8 has no bytes for it: two such names would share their keys. */
const loneSurrogate = /\p{Surrogate}/u;
const LOWEST_PRIORITY = -(2 ** 31);
const HIGHEST_PRIORITY = 2 ** 31 - 1;
const RANK_DIGITS = 8;

/**
 * Where one election lives. Names are encoded so that they hold no '/', so no election's keys lie among another's:
 *
 *   <namespace>/<name>/leader                     the leadership; its create revision is the token
 *   <namespace>/<name>/leader/…                   nothing: here the store on etcd has its leaderships
 *   <namespace>/<name>/queue/<priority>/<lease>   one for each session that waits, ordered by priority
 *   <namespace>/<name>/record                     outlives sessions
 *
 * All but the record are attached to their session's lease. The leadership takes the winner's place out of the
 * queue, so the queue holds exactly those who wait.
 */
export interface ElectionKeys {
  readonly name: string;
  /** Everything of the election lies in [all, allEnd). */
  readonly all: Uint8Array;
  readonly allEnd: Uint8Array;
  readonly leader: Uint8Array;
  /** The leadership of either kind of store lies in [leader, leaderEnd). */
  readonly leaderEnd: Uint8Array;
  readonly record: Uint8Array;
  readonly queue: Uint8Array;
  readonly queueEnd: Uint8Array;
}

/** @throws ConclaveError 'invalid-argument', 'too-large' */
export function electionKeys(namespace: string, name: string): ElectionKeys {
  const base = `${namespace}/${checkedName(name)}/`;
  const all = toBytes(base);
  const queue = toBytes(`${base}queue/`);
  return {
    name,
    all,
    allEnd: prefixEnd(all),
    leader: toBytes(`${base}leader`),
    leaderEnd: toBytes(`${base}leader0`),
    record: toBytes(`${base}record`),
    queue,
    queueEnd: prefixEnd(queue),
  };
}

/** For messages: as etcd's tools show it. @throws ConclaveError 'invalid-argument', 'too-large' */
export function recordPlace(namespace: string, name: string): string {
  return `the key ${JSON.stringify(toText(electionKeys(namespace, name).record))}`;
}

/** Encoded. */
function checkedName(name: string): string {
  if (typeof name !== 'string' || name === '') {
    throw new ConclaveError('invalid-argument', 'An election needs a name that is not empty.');
  }
  if (loneSurrogate.test(name)) {
    throw new ConclaveError(
      'invalid-argument',
      'The name of an election holds half a character (a lone surrogate).',
    );
  }
  const sizeBytes = toBytes(name).length;
  if (sizeBytes > MAX_NAME_BYTES) {
    const message = `The name of an election has ${sizeBytes} bytes; at most ${MAX_NAME_BYTES} are allowed.`;
    throw new ConclaveError('too-large', message);
  }
  return encodeName(name);
}

/** Where all elections lie whose names begin with `prefix`. @throws ConclaveError 'invalid-argument', 'too-large' */
export function electionsRange(
  namespace: string,
  prefix: string,
): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } {
  // Bytes are encoded one by one, so a prefix of a name is a prefix of its key.
  const base = prefix === '' ? '' : checkedName(prefix);
  const key = toBytes(`${namespace}/${base}`);
  return { key, rangeEnd: prefixEnd(key) };
}

/** The name of the election that a key belongs to; undefined where it is none of ours. */
export function nameOfKey(namespace: string, key: Uint8Array): string | undefined {
  const [encoded, ...rest] = toText(key)
    .slice(namespace.length + 1)
    .split('/');
  if (encoded === undefined || encoded === '' || rest.length === 0) return undefined;
  try {
    const name = decodeURIComponent(encoded);
    return checkedName(name) === encoded ? name : undefined;
  } catch {
    return undefined;
  }
}

/** @throws 'invalid-argument' */
export function checkNamespace(namespace: string): string {
  if (namespace !== '' && !loneSurrogate.test(namespace) && !namespace.endsWith('/')) return namespace;
  throw new ConclaveError(
    'invalid-argument',
    `"${namespace}" is no namespace: give text that does not end with "/".`,
  );
}

/** Every byte but letters, digits, '-', '_' and '.' as %XX: injective, and without a '/'. */
function encodeName(name: string): string {
  let encoded = '';
  for (const byte of toBytes(name)) {
    const character = String.fromCharCode(byte);
    encoded += /[A-Za-z0-9._-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** All places of one priority lie in [prefix, end); those of higher ones in [queue, prefix). */
export interface PriorityGroup {
  readonly prefix: Uint8Array;
  readonly end: Uint8Array;
}

/** @throws ConclaveError 'invalid-argument' */
export function priorityGroup(keys: ElectionKeys, priority: number): PriorityGroup {
  if (!Number.isInteger(priority) || priority < LOWEST_PRIORITY || priority > HIGHEST_PRIORITY) {
    const message = `A priority is a whole number from ${LOWEST_PRIORITY} to ${HIGHEST_PRIORITY}, not ${priority}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  // The higher the priority, the smaller the key.
  const rank = (HIGHEST_PRIORITY - priority).toString(16).padStart(RANK_DIGITS, '0');
  const prefix = toBytes(`${toText(keys.queue)}${rank}/`);
  return { prefix, end: prefixEnd(prefix) };
}

/** Of a place that is there. */
export function groupOf(keys: ElectionKeys, place: Uint8Array): PriorityGroup {
  const prefix = place.slice(0, keys.queue.length + RANK_DIGITS + 1);
  return { prefix, end: prefixEnd(prefix) };
}

export function placeKey(group: PriorityGroup, lease: bigint): Uint8Array {
  return toBytes(`${toText(group.prefix)}${BigInt.asUintN(64, lease).toString(16).padStart(16, '0')}`);
}

/** Whether a key of the queue is one that sessions make. */
export function isPlace(keys: ElectionKeys, key: Uint8Array): boolean {
  return /^[0-9a-f]{8}\/[0-9a-f]{16}$/.test(toText(key.subarray(keys.queue.length)));
}

/** Of a place that is there. */
export function priorityOf(keys: ElectionKeys, place: Uint8Array): number {
  return HIGHEST_PRIORITY - Number.parseInt(rankOf(keys, place), 16);
}

/** The part of a place's key that orders by priority. */
export function rankOf(keys: ElectionKeys, key: Uint8Array): string {
  return toText(key.subarray(keys.queue.length, keys.queue.length + RANK_DIGITS));
}

export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let at = 0; at < prefix.length; at += 1) if (bytes[at] !== prefix[at]) return false;
  return true;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && startsWith(a, b);
}
