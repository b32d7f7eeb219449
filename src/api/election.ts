import type { KeyValue, Watcher } from '../keyspace/types.ts';
import type {
  CampaignRequest,
  CampaignResponse,
  LeaderKey,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ProclaimResponse,
  services,
} from '../wire/index.ts';
import { compareBytes, prefixEnd } from './convert.ts';
import {
  asClient,
  leaderOf,
  leavePlace,
  mayQueue,
  type Place,
  queuePrefix,
  queueRange,
  rewritePlace,
  sessionLease,
  takePlace,
  waitForTurn,
} from './queue.ts';
import type { ApiServices } from './service.ts';
import { failure } from './status.ts';
import type { CallContext, HandlerOf } from './types.ts';
import { untilLeft } from './waiting.ts';
import { Wakeup } from './wakeup.ts';

type Election = typeof services.Election;

export function electionService(api: ApiServices): { [Name in keyof Election]: HandlerOf<Election[Name]> } {
  return {
    campaign: asClient((request, context) => campaign(api, request, context)),
    proclaim: asClient((request, context) => proclaim(api, request, context)),
    leader: asClient((request, context) => leader(api, request, context)),
    observe: (request, context) => observe(api, queuePrefix(request.name), context),
    resign: asClient(async (request, context) => {
      const revision = await leavePlace(api, context, placeOf(required(request.leader)));
      return { header: api.headers.header(revision) };
    }),
  };
}

async function campaign(
  api: ApiServices,
  request: CampaignRequest,
  context: CallContext,
): Promise<CampaignResponse> {
  const lease = await sessionLease(api, context, request.lease);
  const prefix = queuePrefix(request.name);
  await mayQueue(api, prefix, context);
  const { place, revision, existing } = await takePlace(api, context, prefix, lease, request.value);
  // A campaign repeated with another value proclaims that value.
  if (existing !== undefined && compareBytes(existing.value, request.value) !== 0) {
    const { held } = await rewritePlace(api, context, place, lease, request.value);
    if (!held) throw failure('electionNotLeader');
  }
  if (!(await waitForTurn(api, prefix, place, context))) throw failure('electionExpired');
  const leader = { name: request.name, key: place.key, rev: place.createRevision, lease };
  return { header: api.headers.header(revision), leader };
}

async function proclaim(
  api: ApiServices,
  request: ProclaimRequest,
  context: CallContext,
): Promise<ProclaimResponse> {
  const leader = required(request.leader);
  const { held, revision } = await rewritePlace(api, context, placeOf(leader), leader.lease, request.value);
  if (!held) throw failure('electionNotLeader');
  return { header: api.headers.header(revision) };
}

async function leader(
  api: ApiServices,
  request: LeaderRequest,
  context: CallContext,
): Promise<LeaderResponse> {
  await api.member.readBarrier(untilLeft(context));
  return api.access.reading(context, queueRange(queuePrefix(request.name)), () => {
    const kv = leaderOf(api, queuePrefix(request.name));
    if (kv === undefined) throw failure('electionNoLeader');
    return { header: api.headers.header(), kv };
  });
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
      const kv = await api.access.reading(context, queueRange(prefix), () => leaderOf(api, prefix));
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
