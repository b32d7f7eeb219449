import type { KeyValue, RangeRequest, RequestOp, TxnRequest, TxnResponse } from '../../wire/index.ts';
import { type ElectionKeys, equalBytes, groupOf, type PriorityGroup } from './keys.ts';
import type { RecordWrite } from './record-lease.ts';
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
} from './transactions.ts';
import { checkLeader, checkPlace } from './values.ts';

/** How many waiters an answer to `acquire` names. */
const NAMED_WAITERS = 32;

/** A session's place in the queue, or the one it is about to take. */
export interface Candidacy {
  readonly keys: ElectionKeys;
  readonly group: PriorityGroup;
  readonly place: Uint8Array;
  readonly lease: bigint;
  /** Holder and metadata, as stored. */
  readonly holding: Uint8Array;
}

/** What an election looked like to one candidate in one step. */
export interface View {
  readonly revision: number;
  readonly leader: KeyValue | undefined;
  /** The place, now: it may have been lost, or found to be another than was thought. */
  readonly own: KeyValue | undefined;
  /** Somebody who is before this candidate; undefined: it is the next. */
  readonly ahead: KeyValue | undefined;
  readonly record: KeyValue | undefined;
  readonly waiters: readonly KeyValue[];
  /** The place was taken, or still stood as expected: only then is `ahead` about it. */
  readonly placed: boolean;
}

/**
 * Leads at once where nobody leads or waits with the same or a higher priority; otherwise takes a place in the
 * queue, if there is none yet, and shows how things are. One step, whichever it is.
 */
export function joinTransaction(candidacy: Candidacy): Part<TxnRequest> {
  const { keys, group, place, lease, holding } = candidacy;
  return {
    compare: [absent(keys.leader, keys.leaderEnd), absent(place), absent(keys.queue, group.end)],
    success: [put(keys.leader, holding, lease), range({ key: keys.record })],
    failure: [
      nested({
        // Who leads already does not queue up again.
        compare: [absent(place), { ...leaseIs(keys.leader, lease), result: 3 }],
        success: [put(place, holding, lease), ...look(candidacy, undefined)],
        failure: look(candidacy, undefined),
      }),
    ],
  };
}

/**
 * Leads if nobody does and nobody is before this place; safety needs but the first two compares, the others keep
 * the order. Otherwise shows how things are.
 */
export function winTransaction(candidacy: Candidacy, createRevision: number): Part<TxnRequest> {
  const { keys, group, place, lease, holding } = candidacy;
  return {
    compare: [
      absent(keys.leader, keys.leaderEnd),
      createdAt(place, createRevision),
      absent(keys.queue, group.prefix),
      noneCreatedBefore(group.prefix, group.end, createRevision),
    ],
    success: [put(keys.leader, holding, lease), remove(place), range({ key: keys.record })],
    failure: look(candidacy, createRevision),
  };
}

/** Which lease the key is attached to; a key that is not there is attached to none. */
function leaseIs(key: Uint8Array, lease: bigint): NonNullable<Part<TxnRequest>['compare']>[number] {
  return { key, result: 0, target: 4, targetUnion: { $case: 'lease', value: lease } };
}

function look(
  { keys, group, place }: Candidacy,
  createRevision: number | undefined,
): ReturnType<typeof range>[] {
  const last: Part<RangeRequest> = { limit: 1, sortOrder: 2 };
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

/**
 * Undefined where the transaction won. `createRevision`: of the place that a win was tried with. `sharedLeader`: as
 * under the key that the conclave store uses.
 */
export function viewOf(
  candidacy: Candidacy,
  response: TxnResponse,
  createRevision: number | undefined,
  sharedLeader = (leader: KeyValue) => leader,
): View | undefined {
  if (response.succeeded) return undefined;
  const first = response.responses[0]?.response;
  const join = first?.$case === 'responseTxn' ? first.value : undefined;
  const answers = join?.responses ?? response.responses;
  // The branch that took a place answers that first.
  const looked = join?.succeeded ? answers.slice(1) : answers;
  const [leader, record, own, sameGroup, higher, waiters] = looked.map((answer) => rangeResult(answer).kvs);
  return {
    revision: response.header?.revision ?? 0,
    leader: leader?.[0] && sharedLeader(leader[0]),
    own: own?.[0],
    ahead: sameGroup?.find((kv) => !equalBytes(kv.key, candidacy.place)) ?? higher?.[0],
    record: record?.[0],
    waiters: waiters ?? [],
    placed: join === undefined ? own?.[0]?.createRevision === createRevision : join.succeeded,
  };
}

/** @throws 'data-incompatible': who waits for what no session holds would wait for ever. */
export function checkView(keys: ElectionKeys, { leader, ahead }: View): void {
  if (leader !== undefined) checkLeader(keys, leader);
  if (ahead !== undefined) checkPlace(keys, ahead);
}

/** A leadership, and the lease of the session that it must be of: two sessions may be of one holder. */
export interface Own {
  readonly token: number;
  readonly lease: bigint;
}

function stillLeads(keys: ElectionKeys, { token, lease }: Own): NonNullable<Part<TxnRequest>['compare']> {
  return [createdAt(keys.leader, token), leaseIs(keys.leader, lease)];
}

/** Ends this leadership; a place that the same session may have in the queue goes with it. */
export function releaseTransaction(
  keys: ElectionKeys,
  place: Uint8Array | undefined,
  own: Own,
  record: RecordWrite | undefined,
): Part<TxnRequest> {
  return {
    compare: stillLeads(keys, own),
    success: [
      remove(keys.leader),
      ...(place === undefined ? [] : [remove(place)]),
      ...(record === undefined ? [] : [putRecord(keys, record)]),
    ],
    failure: [],
  };
}

/**
 * The same, and `next` leads from the next revision on, which is its token: if it is still there as it was seen, and
 * still the first in line. Otherwise the leadership just ends. With a token that is not current nothing happens, since
 * a sequence ends at the first transaction whose compares do not hold.
 */
export function succeedTransactions(
  keys: ElectionKeys,
  place: Uint8Array | undefined,
  next: KeyValue,
  own: Own,
  record: RecordWrite | undefined,
): Part<TxnRequest>[] {
  return [
    releaseTransaction(keys, place, own, record),
    {
      compare: [
        absent(keys.leader),
        // Not by its creation: it must lead with the metadata that it has now.
        modifiedAt(next.key, next.modRevision),
        // Of its own priority whoever came since came later.
        absent(keys.queue, groupOf(keys, next.key).prefix),
      ],
      success: [put(keys.leader, next.value, next.lease), remove(next.key)],
      failure: [],
    },
  ];
}

/**
 * The leadership goes to the session of `target`: deleted, then created again for it in the next revision, which is
 * the new token. Both are applied with nothing in between, so the second finds what the first saw.
 */
export function transferTransactions(
  keys: ElectionKeys,
  target: KeyValue,
  own: Own,
  record: RecordWrite | undefined,
): Part<TxnRequest>[] {
  const waits = createdAt(target.key, target.createRevision);
  return [
    {
      compare: [...stillLeads(keys, own), waits],
      success: [remove(keys.leader), ...(record === undefined ? [] : [putRecord(keys, record)])],
      failure: [range({ key: keys.leader })],
    },
    {
      compare: [absent(keys.leader), waits],
      success: [put(keys.leader, target.value, target.lease), remove(target.key)],
      failure: [],
    },
  ];
}

/**
 * Takes the place out of the queue. `unclaimed`: this session was never told that it leads, so a leadership that
 * it may hold without knowing (an answer that was lost, a hand-off that came late) goes too.
 */
export function withdrawTransaction(
  keys: ElectionKeys,
  place: Uint8Array | undefined,
  lease: bigint,
  unclaimed: boolean,
): Part<TxnRequest> {
  const leave = place === undefined ? [] : [remove(place)];
  if (!unclaimed) return { compare: [], success: leave, failure: [] };
  return { compare: [leaseIs(keys.leader, lease)], success: [remove(keys.leader), ...leave], failure: leave };
}

export function putRecord(keys: ElectionKeys, { value, lease }: RecordWrite): Part<RequestOp> {
  return put(keys.record, value, lease);
}

export function guardedTransaction(
  keys: ElectionKeys,
  own: Own,
  success: NonNullable<Part<TxnRequest>['success']>,
): Part<TxnRequest> {
  return { compare: stillLeads(keys, own), success, failure: [] };
}
