import { toBytes, toText } from '../../client/index.ts';
import type { ElectionState } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { KeyValue } from '../../wire/index.ts';
import { type ElectionKeys, equalBytes, isPlace, priorityOf, rankOf } from './keys.ts';

/**
 * What stands in the leadership's key and in a place of the queue: JSON, so that any etcd tool shows it. A release that
 * changes its meaning writes a number of the format beside it, as `conclave`; none is 1.
 */
export interface Holding {
  readonly holder: string;
  readonly metadata: string;
}

/** A key as a store shows it to what it shares with another, and as it is. */
export interface SharedKeyValue extends KeyValue {
  readonly storedKey?: Uint8Array;
}

export function encodeHolding(holding: Holding): Uint8Array {
  return toBytes(JSON.stringify({ holder: holding.holder, metadata: holding.metadata }));
}

/** @throws 'data-incompatible' for what another program, or a newer Conclave, wrote there. */
export function decodeHolding(kv: SharedKeyValue): Holding {
  const { holder, metadata, conclave = 1 } = parsed(kv.value);
  if (conclave !== 1) {
    const message = `The key ${shown(keyOf(kv))} has format ${JSON.stringify(conclave)}, which this release does not know: use the release that wrote it, or a newer one.`;
    throw new ConclaveError('data-incompatible', message);
  }
  // What hangs on no lease belongs to no session: nobody would ever end it.
  if (typeof holder !== 'string' || typeof metadata !== 'string' || kv.lease === 0n) throw foreign(keyOf(kv));
  return { holder, metadata };
}

/** undefined: it is none of ours. */
export function holderOf(kv: KeyValue): string | undefined {
  try {
    return decodeHolding(kv).holder;
  } catch {
    return undefined;
  }
}

/** @throws 'data-incompatible' where a leadership, of whatever store of keys, is none that this one can go by. */
export function checkLeader(keys: ElectionKeys, leader: SharedKeyValue): void {
  if (equalBytes(leader.key, keys.leader)) decodeHolding(leader);
  else throw otherStore(leader);
}

/** @throws 'data-incompatible' */
export function checkPlace(keys: ElectionKeys, place: KeyValue): void {
  if (!isPlace(keys, place.key)) throw foreign(place.key);
  decodeHolding(place);
}

function parsed(value: Uint8Array): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(toText(value));
    return typeof content === 'object' && content !== null ? (content as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function foreign(key: Uint8Array): ConclaveError {
  const message = `The key ${shown(key)} was not written by Conclave's elections, and is left as it is: use another namespace, or delete it if nothing needs it.`;
  return new ConclaveError('data-incompatible', message);
}

/** Each would let one lead, since neither looks for the other's leaderships. */
export function otherStore(leader: SharedKeyValue): ConclaveError {
  const message = `The key ${shown(keyOf(leader))} is a leadership of another kind of store: conclaveStore and etcdStore keep theirs under different keys. Let all candidates use the same one, or give one another namespace.`;
  return new ConclaveError('data-incompatible', message);
}

function keyOf({ key, storedKey = key }: SharedKeyValue): Uint8Array {
  return storedKey;
}

function shown(key: Uint8Array): string {
  return JSON.stringify(toText(key));
}

/** Negative where the place `a` leads before `b`: by priority, then by when they came. */
export function compareTurns(keys: ElectionKeys, a: KeyValue, b: KeyValue): number {
  const rankA = rankOf(keys, a.key);
  const rankB = rankOf(keys, b.key);
  return rankA < rankB ? -1 : rankA > rankB ? 1 : a.createRevision - b.createRevision;
}

/** `waiters` in any order. @throws 'data-incompatible' */
export function electionState(
  keys: ElectionKeys,
  leader: KeyValue | undefined,
  waiters: readonly KeyValue[],
  record: KeyValue | undefined,
  revision: number,
): ElectionState {
  for (const place of waiters) checkPlace(keys, place);
  const inOrder = [...waiters].sort((a, b) => compareTurns(keys, a, b));
  return {
    leader: leader === undefined ? undefined : { ...decodeHolding(leader), token: leader.createRevision },
    version: revision,
    waiting: inOrder.map((place) => ({ ...decodeHolding(place), priority: priorityOf(keys, place.key) })),
    record: record?.value.slice(),
  };
}
