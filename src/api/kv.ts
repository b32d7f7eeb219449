import type { Command, CommandOutcome, CommandResult } from '../keyspace/types.ts';
import type { ProposeOptions } from '../member/types.ts';
import type { services } from '../wire/index.ts';
import { deleteRangeResponse, rangeRequest, rangeResponse, txnResponse } from './convert.ts';
import type { ApiServices } from './service.ts';
import { commandFailure } from './status.ts';
import type { HandlerOf } from './types.ts';
import { checkDeleteRange, checkedTxn, checkPut, checkRange } from './validate.ts';

type KV = typeof services.KV;

/** Proposes a command and gives the outcome of its own type. @throws StatusError for a failed one. */
export async function proposeFor<Type extends Command['type']>(
  api: ApiServices,
  command: Extract<Command, { type: Type }>,
  options?: ProposeOptions,
): Promise<{ revision: number; outcome: Extract<CommandOutcome, { type: Type }> }> {
  const result: CommandResult = await api.member.propose(command, options);
  if (result.outcome.type === 'failed') throw commandFailure(result.outcome.failure);
  return result as { revision: number; outcome: Extract<CommandOutcome, { type: Type }> };
}

export function kvService(api: ApiServices): { [Name in keyof KV]: HandlerOf<KV[Name]> } {
  const { member, headers } = api;
  return {
    async range(request) {
      checkRange(request);
      if (!request.serializable) await member.readBarrier();
      const result = member.keyspace.range(rangeRequest(request));
      if ('failed' in result) throw commandFailure(result.failed);
      return rangeResponse(result, headers.header());
    },

    async put(request) {
      checkPut(request);
      const { revision, outcome } = await proposeFor<'put'>(api, { type: 'put', request });
      return { header: headers.header(revision), prevKv: outcome.result.prevKv };
    },

    async deleteRange(request) {
      checkDeleteRange(request);
      const { revision, outcome } = await proposeFor<'deleteRange'>(api, { type: 'deleteRange', request });
      return deleteRangeResponse(outcome.result, headers.header(revision));
    },

    // One that only reads goes through the log too: that is linearizable on every member, and changes no revision.
    async txn(request) {
      const { revision, outcome } = await proposeFor<'txn'>(api, {
        type: 'txn',
        request: checkedTxn(request, api.limits),
      });
      return txnResponse(outcome.result, headers.header(revision));
    },

    async compact(request) {
      const { revision } = await proposeFor<'compact'>(api, { type: 'compact', revision: request.revision });
      return { header: headers.header(revision) };
    },
  };
}
