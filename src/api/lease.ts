import type { services } from '../wire/index.ts';
import { proposeFor } from './kv.ts';
import { answersInOrder } from './ordered-answers.ts';
import type { ApiServices } from './service.ts';
import { asLeaseCall, failure, StatusError } from './status.ts';
import type { CallContext, HandlerOf } from './types.ts';
import { longestTtlSeconds } from './validate.ts';
import { untilLeft } from './waiting.ts';

type Lease = typeof services.Lease;

/** Keep-alives of one stream that may be under way at once. */
const keepAlivesAtOnce = 1024;
const attemptsForAnId = 8;

/** etcd's seconds of a TTL in ms. Never 0 for a lease that lives: etcd's clients read 0 as "no such lease". */
export function wholeSeconds(ttlMs: number): number {
  return ttlMs <= 0 ? 0 : Math.max(1, Math.floor(ttlMs / 1000));
}

/** Grants a lease; `lease` 0n lets the server choose the id. @throws StatusError as etcd. */
export async function grantLease(
  api: ApiServices,
  context: CallContext,
  lease: bigint,
  ttlMs: number,
): Promise<{ lease: bigint; ttlMs: number; revision: number }> {
  for (let attempt = 1; ; attempt++) {
    const id = lease === 0n ? randomLeaseId(api) : lease;
    try {
      const { revision, outcome } = await proposeFor<'leaseGrant'>(api, context, {
        type: 'leaseGrant',
        lease: id,
        ttlMs,
      });
      return { lease: outcome.lease, ttlMs: outcome.ttlMs, revision };
    } catch (error) {
      const taken = error instanceof StatusError && error.conclave.code === 'already-exists';
      if (lease !== 0n || !taken || attempt === attemptsForAnId) throw error;
    }
  }
}

/** Positive, 63 bits, never 0. */
export function randomLeaseId(api: ApiServices): bigint {
  const bytes = api.runtime.random.bytes(8);
  const id = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0) & 0x7fff_ffff_ffff_ffffn;
  return id === 0n ? 1n : id;
}

export function leaseService(api: ApiServices): { [Name in keyof Lease]: HandlerOf<Lease[Name]> } {
  const { member, headers, renewals } = api;
  return {
    async leaseGrant(request, context) {
      if (request.TTL > longestTtlSeconds) throw failure('ttlTooLarge');
      const granted = await grantLease(api, context, request.ID, Math.max(1, request.TTL) * 1000);
      const header = headers.header(granted.revision);
      return { header, ID: granted.lease, TTL: wholeSeconds(granted.ttlMs), error: '' };
    },

    async leaseRevoke(request, context) {
      const { revision } = await proposeFor<'leaseRevoke'>(api, context, {
        type: 'leaseRevoke',
        lease: request.ID,
      });
      return { header: headers.header(revision) };
    },

    leaseKeepAlive(requests, context) {
      return answersInOrder(
        requests,
        async ({ ID }) => {
          if (api.access.enabled) await api.access.requireAnew('user', context);
          const { ttlsMs, revision } = await asLeaseCall(renewals.renew([ID]));
          return { header: headers.header(revision), ID, TTL: wholeSeconds(ttlsMs[0] ?? 0) };
        },
        { signal: context.signal, atOnce: keepAlivesAtOnce },
      );
    },

    async leaseTimeToLive(request, context) {
      const options = untilLeft(context);
      const asked = Promise.all([member.leaseRemainingMs(request.ID, options), member.readBarrier(options)]);
      const [remainingMs] = await asLeaseCall(asked);
      const lease = () =>
        remainingMs === undefined ? undefined : member.keyspace.lease(request.ID, request.keys);
      const answer = () => {
        const info = lease();
        const header = headers.header();
        if (remainingMs === undefined || info === undefined) {
          return { header, ID: request.ID, TTL: -1, grantedTTL: 0, keys: [] };
        }
        return {
          header,
          ID: request.ID,
          TTL: Math.max(0, Math.floor(remainingMs / 1000)),
          grantedTTL: wholeSeconds(info.grantedTtlMs),
          keys: request.keys ? [...info.keys] : [],
        };
      };
      return api.access.readingKeys(context, () => lease()?.keys ?? [], answer);
    },

    // Soonest to expire first, as etcd lists them.
    async leaseLeases(_request, context) {
      await member.readBarrier(untilLeft(context));
      const { keyspace } = member;
      const byDeadline = keyspace
        .leases()
        .map((ID) => ({ ID, deadlineMs: keyspace.lease(ID, false)?.deadlineMs ?? 0 }))
        .sort((a, b) => a.deadlineMs - b.deadlineMs);
      return { header: headers.header(), leases: byDeadline.map(({ ID }) => ({ ID })) };
    },
  };
}
