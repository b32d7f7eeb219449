import type { KeyValue, TxnRequest, TxnResponse } from '../../wire/index.ts';
import { groupOf, type PriorityGroup } from '../conclave/keys.ts';
import type { RecordWrite } from '../conclave/record-lease.ts';
import { putRecord } from '../conclave/requests.ts';
import {
  absent,
  createdAt,
  modifiedAt,
  nested,
  noneCreatedBefore,
  type Part,
  put,
  range,
  rangeResult,
  remove,
} from '../conclave/transactions.ts';
import { type EtcdElectionKeys, leaderKey } from './keys.ts';

/** How many waiters an answer to `acquire` names. */
const NAMED_WAITERS = 32;

/** A session's place in the queue, or the one it is about to take. */
export interface EtcdCandidacy {
  readonly keys: EtcdElectionKeys;
  readonly group: PriorityGroup;
  readonly place: Uint8Array;
  readonly lease: bigint;
  /** Holder and metadata, as stored. */
  readonly holding: Uint8Array;
  /** The modification of the `left` key that this session knows: later ones make the transaction void. */
  readonly left: number;
}

/** How a session gives up what it has: `call` tells this attempt from all others. */
export interface Giving {
  readonly keys: EtcdElectionKeys;
  readonly lease: bigint;
  readonly call: Uint8Array;
}

/**
 * Leads at once where nobody leads or waits with the same or a higher priority; otherwise takes a place in the queue,
 * if there is none yet, and shows how things are. Sent twice it does the same once; come late, after this session
 * gave up what it had, nothing.
 */
export function joinTransaction(candidacy: EtcdCandidacy): Part<TxnRequest> {
  const { keys, group, place, lease, holding } = candidacy;
  const inTime = modifiedAt(keys.left, candidacy.left);
  return {
    compare: [inTime, absent(keys.leader, keys.leaderEnd), absent(place), absent(keys.queue, group.end)],
    success: [put(keys.ownLeader, holding, lease), range({ key: keys.record })],
    failure: [
      nested({
        compare: [inTime, absent(place), absent(keys.ownLeader)],
        success: [put(place, holding, lease), ...look(candidacy, undefined)],
        failure: look(candidacy, undefined),
      }),
      range({ key: keys.left }),
    ],
  };
}

/**
 * Leads if nobody does and nobody is before this place. Come late it does nothing: the place, which it takes away, is
 * another one then.
 */
export function winTransaction(candidacy: EtcdCandidacy, createRevision: number): Part<TxnRequest> {
  const { keys, group, place, lease, holding } = candidacy;
  return {
    compare: [
      absent(keys.leader, keys.leaderEnd),
      createdAt(place, createRevision),
      absent(keys.queue, group.prefix),
      noneCreatedBefore(group.prefix, group.end, createRevision),
    ],
    success: [put(keys.ownLeader, holding, lease), remove(place), range({ key: keys.record })],
    failure: [...look(candidacy, createRevision), range({ key: keys.left })],
  };
}

/** In the order in which `viewOf` takes them. */
function look(
  { keys, group, place }: EtcdCandidacy,
  createRevision: number | undefined,
): ReturnType<typeof range>[] {
  const last = { limit: 1, sortOrder: 2 } as const;
  const before = createRevision === undefined ? {} : { maxCreateRevision: createRevision - 1 };
  return [
    range({ key: keys.leader, rangeEnd: keys.leaderEnd }),
    range({ key: keys.record }),
    range({ key: place }),
    // The last of those who came before, in this priority; two, since one may be this place itself.
    range({ key: group.prefix, rangeEnd: group.end, sortTarget: 2, ...last, ...before, limit: 2 }),
    range({ key: keys.queue, rangeEnd: group.prefix, sortTarget: 0, ...last }),
    range({ key: keys.queue, rangeEnd: keys.queueEnd, limit: NAMED_WAITERS }),
  ];
}

/** The `left` key, which every transaction here that did not succeed shows last; undefined where there is none. */
export function leftIn(response: TxnResponse): KeyValue | undefined {
  return rangeResult(response.responses.at(-1)).kvs[0];
}

/**
 * Ends the leadership with this token. `next` leads in the same revision, which is its token, if it is there as it was
 * seen, and still the first in line.
 */
export function releaseTransaction(
  { keys, lease, call }: Giving,
  token: number,
  place: Uint8Array | undefined,
  next: KeyValue | undefined,
  record: RecordWrite | undefined,
): Part<TxnRequest> {
  return {
    compare: [createdAt(keys.ownLeader, token)],
    success: [
      remove(keys.ownLeader),
      put(keys.left, call, lease),
      ...(place === undefined ? [] : [remove(place)]),
      ...(record === undefined ? [] : [putRecord(keys, record)]),
      ...(next === undefined ? [] : [succeed(keys, next)]),
    ],
    failure: [range({ key: keys.left })],
  };
}

function succeed(keys: EtcdElectionKeys, next: KeyValue): ReturnType<typeof nested> {
  return nested({
    // Not by its creation: it must lead with the metadata that it has now. Of its own priority whoever came since
    // came later.
    compare: [modifiedAt(next.key, next.modRevision), absent(keys.queue, groupOf(keys, next.key).prefix)],
    success: [put(leaderKey(keys, next.lease), next.value, next.lease), remove(next.key)],
    failure: [],
  });
}

/** The leadership goes to the session of `target`, if that still waits there: one key goes, and another comes. */
export function transferTransaction(
  { keys, lease, call }: Giving,
  token: number,
  target: KeyValue,
  record: RecordWrite | undefined,
): Part<TxnRequest> {
  return {
    compare: [createdAt(keys.ownLeader, token), createdAt(target.key, target.createRevision)],
    success: [
      remove(keys.ownLeader),
      put(keys.left, call, lease),
      ...(record === undefined ? [] : [putRecord(keys, record)]),
      put(leaderKey(keys, target.lease), target.value, target.lease),
      remove(target.key),
    ],
    failure: [range({ key: keys.left })],
  };
}

/**
 * Takes the place out of the queue. `unclaimed`: this session was never told that it leads, so a leadership that it
 * may hold without knowing (an answer that was lost, a hand-off that came late) goes too. `left`: as this session
 * knows it; when this comes late, that is another, and nothing happens.
 */
export function withdrawTransaction(
  { keys, lease, call }: Giving,
  place: Uint8Array,
  left: number,
  unclaimed: boolean,
): Part<TxnRequest> {
  return {
    compare: [modifiedAt(keys.left, left)],
    success: [remove(place), ...(unclaimed ? [remove(keys.ownLeader)] : []), put(keys.left, call, lease)],
    failure: [range({ key: keys.left })],
  };
}

/** Puts an end to whatever this session sent before that hangs on the `left` key. */
export function settleTransaction({ keys, lease, call }: Giving): Part<TxnRequest> {
  return { compare: [], success: [put(keys.left, call, lease)], failure: [] };
}

/**
 * Writes a key of this election while the token is current and the key was not modified since `modified`. Otherwise
 * shows the leadership and the key.
 */
export function guardedPutTransaction(
  keys: EtcdElectionKeys,
  token: number,
  modified: number,
  { key, value, lease }: { readonly key: Uint8Array; readonly value: Uint8Array; readonly lease: bigint },
): Part<TxnRequest> {
  return {
    compare: [createdAt(keys.ownLeader, token), modifiedAt(key, modified)],
    success: [put(key, value, lease)],
    failure: [range({ key: keys.ownLeader }), range({ key })],
  };
}
