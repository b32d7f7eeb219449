import type { services } from '../wire/index.ts';
import { proposeFor } from './kv.ts';
import { asClient, mayQueue, queuePrefix, sessionLease, takePlace, waitForTurn } from './queue.ts';
import type { ApiServices } from './service.ts';
import { failure } from './status.ts';
import type { HandlerOf } from './types.ts';

type Lock = typeof services.Lock;

const noBytes = new Uint8Array(0);

export function lockService(api: ApiServices): { [Name in keyof Lock]: HandlerOf<Lock[Name]> } {
  const { headers } = api;
  return {
    lock: asClient(async (request, context) => {
      const lease = await sessionLease(api, context, request.lease);
      const prefix = queuePrefix(request.name);
      await mayQueue(api, prefix, context);
      const { place } = await takePlace(api, context, prefix, lease, noBytes);
      if (!(await waitForTurn(api, prefix, place, context))) throw failure('mutexExpired');
      return { header: headers.header(), key: place.key };
    }),

    // etcd's unlock deletes the key, whatever it is.
    unlock: asClient(async (request, context) => {
      if (request.key.length === 0) throw failure('emptyKey');
      const range = { key: request.key, rangeEnd: noBytes, prevKv: false };
      const { revision } = await proposeFor<'deleteRange'>(api, context, {
        type: 'deleteRange',
        request: range,
      });
      return { header: headers.header(revision) };
    }),
  };
}
