import type { KeyValue, Operation, RangeRequest, TxnRequest, TxnResult, Watcher } from '../keyspace/types.ts';
import { prefixEnd } from './convert.ts';
import { proposeFor } from './kv.ts';
import { grantLease } from './lease.ts';
import type { ApiServices } from './service.ts';
import { asSeenThroughClient, failure, toStatus } from './status.ts';
import type { CallContext, UnaryHandler } from './types.ts';
import { Wakeup } from './wakeup.ts';

/**
 * etcd's recipe for waiting in turn, which its Election and Lock services share: one key for each lease under
 * `name/`, and the key created first leads. Keys and answers are etcd's, so that its client libraries and ours
 * see each other in one queue.
 */
export interface Place {
  readonly key: Uint8Array;
  readonly createRevision: number;
}

const noBytes = new Uint8Array(0);
/** etcd's session for a request without a lease. */
const defaultSessionTtlMs = 60_000;

/** Gives errors the codes that they have in etcd's services of this kind. */
export function asClient<Req, Res>(handler: UnaryHandler<Req, Res>): UnaryHandler<Req, Res> {
  return async (request, context) => {
    try {
      return await handler(request, context);
    } catch (error) {
      throw asSeenThroughClient(error);
    }
  };
}

export function queuePrefix(name: Uint8Array): Uint8Array {
  const prefix = new Uint8Array(name.length + 1);
  prefix.set(name);
  prefix[name.length] = 0x2f;
  return prefix;
}

/** All places of a queue. */
export function queueRange(prefix: Uint8Array): { key: Uint8Array; rangeEnd: Uint8Array } {
  return { key: prefix, rangeEnd: prefixEnd(prefix) };
}

/** Who waits looks at the places before its own, so it must be allowed to read the whole queue. @throws StatusError */
export async function mayQueue(api: ApiServices, prefix: Uint8Array, context: CallContext): Promise<void> {
  await api.access.reading(context, queueRange(prefix), () => undefined);
}

/** The lease itself, or a fresh one where the request names none. */
export async function sessionLease(api: ApiServices, context: CallContext, lease: bigint): Promise<bigint> {
  if (lease !== 0n) return lease;
  return (await grantLease(api, context, 0n, defaultSessionTtlMs)).lease;
}

/** Puts `value` under the lease's key unless that is there already, and tells who was there. */
export async function takePlace(
  api: ApiServices,
  context: CallContext,
  prefix: Uint8Array,
  lease: bigint,
  value: Uint8Array,
): Promise<{ place: Place; revision: number; existing: KeyValue | undefined }> {
  const suffix = Buffer.from(lease.toString(16), 'latin1');
  const key = new Uint8Array(prefix.length + suffix.length);
  key.set(prefix);
  key.set(suffix, prefix.length);
  const request: TxnRequest = {
    compare: [createdAt({ key, createRevision: 0 })],
    success: [putOperation(key, value, lease)],
    failure: [{ type: 'range', request: rangeOf({ key }) }],
  };
  const { revision, result } = await transact(api, context, request);
  if (result.succeeded) return { place: { key, createRevision: revision }, revision, existing: undefined };
  const first = result.responses[0];
  const existing = first?.type === 'range' ? first.result.kvs[0] : undefined;
  if (existing === undefined) throw failure('leaseNotFound');
  return { place: { key, createRevision: existing.createRevision }, revision, existing };
}

/** Writes `value` if the place is still held; false where it is not. */
export async function rewritePlace(
  api: ApiServices,
  context: CallContext,
  place: Place,
  lease: bigint,
  value: Uint8Array,
): Promise<{ held: boolean; revision: number }> {
  const success = [putOperation(place.key, value, lease)];
  const { revision, result } = await transact(api, context, {
    compare: [createdAt(place)],
    success,
    failure: [],
  });
  return { held: result.succeeded, revision };
}

/** Gives the place up, if it is still that one. Resolves to the revision. */
export async function leavePlace(api: ApiServices, context: CallContext, place: Place): Promise<number> {
  const success: Operation[] = [
    { type: 'deleteRange', request: { key: place.key, rangeEnd: noBytes, prevKv: false } },
  ];
  const { revision } = await transact(api, context, { compare: [createdAt(place)], success, failure: [] });
  return revision;
}

/**
 * Waits until nobody stands before `place`. Linearizable: resolves to true only if the place was still held after
 * the last one before it had gone. False: the place itself is gone, with its lease.
 *
 * When the caller gives up, the place is given up in the background; when this server stops, it is kept, since the
 * caller goes on at another member.
 *
 * @throws the signal's reason, or why the wait failed.
 */
export async function waitForTurn(
  api: ApiServices,
  prefix: Uint8Array,
  place: Place,
  context: CallContext,
): Promise<boolean> {
  try {
    for (;;) {
      context.signal.throwIfAborted();
      await api.member.readBarrier({ signal: context.signal });
      // Users and roles may have changed while it waited.
      await mayQueue(api, prefix, context);
      const own = firstOf(api, rangeOf({ key: place.key }));
      if (own?.createRevision !== place.createRevision) return false;
      const before = firstOf(api, {
        ...rangeOf({ key: prefix, rangeEnd: prefixEnd(prefix) }),
        maxCreateRevision: place.createRevision - 1,
        sortOrder: 'descend',
        sortTarget: 'create',
        limit: 1,
      });
      if (before === undefined) return true;
      await deletionOf(api, [before.key, place.key], context.signal);
    }
  } catch (error) {
    const { aborted, reason } = context.signal;
    if (aborted && toStatus(reason).conclave.code !== 'closed') {
      api.background.retry('leave a queue', () => leavePlace(api, context, place));
    }
    throw aborted ? reason : error;
  }
}

/** The key created first: who leads. */
export function leaderOf(api: ApiServices, prefix: Uint8Array): KeyValue | undefined {
  return firstOf(api, {
    ...rangeOf({ key: prefix, rangeEnd: prefixEnd(prefix) }),
    sortOrder: 'ascend',
    sortTarget: 'create',
    limit: 1,
  });
}

function firstOf(api: ApiServices, request: RangeRequest): KeyValue | undefined {
  const result = api.member.keyspace.range(request);
  return 'failed' in result ? undefined : result.kvs[0];
}

/** Resolves when one of the keys was deleted after now, or may have been. */
async function deletionOf(api: ApiServices, keys: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
  const wakeup = new Wakeup();
  const wake = (): void => wakeup.notify();
  const watchers: Watcher[] = keys.map((key) =>
    api.member.keyspace.watch(
      { key, rangeEnd: noBytes, startRevision: 0, prevKv: false, noPut: true, noDelete: false },
      wake,
    ),
  );
  signal.addEventListener('abort', wake);
  try {
    // A compacted watcher counts too: the caller looks again either way.
    while (!signal.aborted && watchers.every((watcher) => watcher.next(1) === undefined)) await wakeup.wait();
  } finally {
    signal.removeEventListener('abort', wake);
    for (const watcher of watchers) watcher.close();
  }
}

async function transact(
  api: ApiServices,
  context: CallContext,
  request: TxnRequest,
): Promise<{ revision: number; result: TxnResult }> {
  const { revision, outcome } = await proposeFor<'txn'>(api, context, { type: 'txn', request });
  return { revision, result: outcome.result };
}

function createdAt(place: Place): TxnRequest['compare'][number] {
  const target = { kind: 'create', revision: place.createRevision } as const;
  return { key: place.key, rangeEnd: noBytes, result: 'equal', target };
}

function putOperation(key: Uint8Array, value: Uint8Array, lease: bigint): Operation {
  const options = { prevKv: false, ignoreValue: false, ignoreLease: false };
  return { type: 'put', request: { key, value, lease, ...options } };
}

function rangeOf(range: { key: Uint8Array; rangeEnd?: Uint8Array }): RangeRequest {
  return {
    key: range.key,
    rangeEnd: range.rangeEnd ?? noBytes,
    limit: 0,
    revision: 0,
    sortOrder: 'none',
    sortTarget: 'key',
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  };
}
