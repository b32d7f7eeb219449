import type { KeyValue, Watcher } from '../keyspace/types.ts';
import type { LeaderKey, LeaderResponse, services } from '../wire/index.ts';
import { prefixEnd } from './convert.ts';
import {
  leaderOf,
  leavePlace,
  type Place,
  queuePrefix,
  rewritePlace,
  sessionLease,
  takePlace,
  waitForTurn,
} from './queue.ts';
import type { ApiServices } from './service.ts';
import { failure } from './status.ts';
import type { CallContext, HandlerOf } from './types.ts';
import { Wakeup } from './wakeup.ts';

type Election = typeof services.Election;

export function electionService(api: ApiServices): { [Name in keyof Election]: HandlerOf<Election[Name]> } {
  const { member, headers } = api;
  return {
    async campaign(request, context) {
      const lease = await sessionLease(api, request.lease);
      const prefix = queuePrefix(request.name);
      const taken = await takePlace(api, prefix, lease, request.value);
      const revision = await updateValue(api, taken, lease, request.value);
      if (!(await waitForTurn(api, prefix, taken.place, context))) throw failure('electionExpired');
      const { key, createRevision: rev } = taken.place;
      return { header: headers.header(revision), leader: { name: request.name, key, rev, lease } };
    },

    async proclaim(request) {
      const leader = required(request.leader);
      const { held, revision } = await rewritePlace(api, placeOf(leader), leader.lease, request.value);
      if (!held) throw failure('electionNotLeader');
      return { header: headers.header(revision) };
    },

    async leader(request, context) {
      await member.readBarrier({ signal: context.signal });
      const kv = leaderOf(api, queuePrefix(request.name));
      if (kv === undefined) throw failure('electionNoLeader');
      return { header: headers.header(), kv };
    },

    observe: (request, context) => observe(api, queuePrefix(request.name), context),

    async resign(request) {
      const revision = await leavePlace(api, placeOf(required(request.leader)));
      return { header: headers.header(revision) };
    },
  };
}

/** A campaign repeated with another value proclaims that value. */
async function updateValue(
  api: ApiServices,
  taken: { place: Place; revision: number; existing: KeyValue | undefined },
  lease: bigint,
  value: Uint8Array,
): Promise<number> {
  const { existing, place, revision } = taken;
  if (existing === undefined || Buffer.compare(existing.value, value) === 0) return revision;
  const rewritten = await rewritePlace(api, place, lease, value);
  if (!rewritten.held) throw failure('electionNotLeader');
  return rewritten.revision;
}

/** The leader now, then each leader and each value it proclaims; of quick changes at least the last. */
async function* observe(
  api: ApiServices,
  prefix: Uint8Array,
  context: CallContext,
): AsyncGenerator<LeaderResponse> {
  const { signal } = context;
  await api.member.readBarrier({ signal });
  const wakeup = new Wakeup();
  const wake = (): void => wakeup.notify();
  const range = { key: prefix, rangeEnd: prefixEnd(prefix), startRevision: 0 };
  const open = (): Watcher =>
    api.member.keyspace.watch({ ...range, prevKv: false, noPut: false, noDelete: false }, wake);
  let watcher = open();
  signal.addEventListener('abort', wake);
  let told: KeyValue | undefined;
  try {
    for (;;) {
      signal.throwIfAborted();
      if (!drained(watcher)) {
        watcher.close();
        watcher = open();
      }
      const kv = leaderOf(api, prefix);
      const news = kv !== undefined && kv.modRevision !== told?.modRevision;
      told = kv;
      if (news) yield { header: api.headers.header(), kv };
      else await wakeup.wait();
    }
  } finally {
    signal.removeEventListener('abort', wake);
    watcher.close();
  }
}

/** The events only wake: what counts is the state after them. False: the watcher fell behind a compaction. */
function drained(watcher: Watcher): boolean {
  for (;;) {
    const batch = watcher.next(1000);
    if (batch === undefined) return true;
    if (batch.type === 'compacted') return false;
  }
}

function required(leader: LeaderKey | undefined): LeaderKey {
  if (leader === undefined) throw failure('missingLeaderKey');
  return leader;
}

function placeOf(leader: LeaderKey): Place {
  return { key: leader.key, createRevision: leader.rev };
}
