import type { services } from '../wire/index.ts';
import { AttachStream } from './attach.ts';
import { proposeFor } from './kv.ts';
import { grantLease } from './lease.ts';
import { memberState } from './member-state.ts';
import { answersInOrder } from './ordered-answers.ts';
import { checkTtl, propose } from './propose.ts';
import { leasesInOneCommand } from './renewals.ts';
import type { ApiServices } from './service.ts';
import { invalidArgument } from './status.ts';
import type { HandlerOf } from './types.ts';

type Conclave = typeof services.Conclave;

const longestClientName = 256;

/** Batches of one stream that may be under way at once. */
const batchesAtOnce = 64;

export function conclaveService(api: ApiServices): { [Name in keyof Conclave]: HandlerOf<Conclave[Name]> } {
  const { headers, renewals } = api;
  return {
    async registerClient(request, context) {
      // It is kept for as long as the client is known, on every member, and no quota counts it.
      if (request.name.length > longestClientName) {
        throw invalidArgument(
          `conclave: a client name of ${request.name.length} characters; give up to ${longestClientName}`,
        );
      }
      const command = { type: 'registerClient', name: request.name } as const;
      const { revision, outcome } = await proposeFor<'registerClient'>(api, context, command);
      return { header: headers.header(revision), incarnation: outcome.incarnation };
    },

    propose: (request, context) => propose(api, request, context),

    async leaseGrantMs(request, context) {
      checkTtl(request.ttlMs);
      const granted = await grantLease(api, context, request.ID, request.ttlMs);
      return { header: headers.header(granted.revision), ID: granted.lease, ttlMs: granted.ttlMs, error: '' };
    },

    keepAliveBatch(requests, context) {
      return answersInOrder(
        requests,
        async ({ IDs, requestId }) => {
          if (api.access.enabled) await api.access.requireAnew('user', context);
          if (IDs.length > leasesInOneCommand) {
            throw invalidArgument(
              `conclave: a batch renews ${IDs.length} leases; ask for up to ${leasesInOneCommand} at once`,
            );
          }
          const { ttlsMs, revision } = await renewals.renew(IDs);
          return { header: headers.header(revision), requestId, IDs, ttlMs: [...ttlsMs] };
        },
        { signal: context.signal, atOnce: batchesAtOnce },
      );
    },

    attach: (requests, context) => new AttachStream(api, context).responses(requests),

    memberState: (request, context) => memberState(api, request, context),
  };
}
