import type { Command, CommandOutcome, CommandResult } from '../keyspace/types.ts';
import type { ProposeOptions } from '../member/types.ts';
import type { RangeRequest, services } from '../wire/index.ts';
import { deleteRangeResponse, rangeRequest, rangeResponse, txnResponse } from './convert.ts';
import { partOfRange, type ReadRange } from './large-ranges.ts';
import { checkReach } from './reach.ts';
import type { ApiServices } from './service.ts';
import { commandFailure } from './status.ts';
import type { CallContext, HandlerOf } from './types.ts';
import { checkDeleteRange, checkedTxn, checkPut, checkRange } from './validate.ts';
import { forCaller } from './waiting.ts';

type KV = typeof services.KV;

/** Proposes a command and gives the outcome of its own type. @throws StatusError for a failed one. */
export async function proposeFor<Type extends Command['type']>(
  api: ApiServices,
  context: CallContext,
  command: Extract<Command, { type: Type }>,
  options?: ProposeOptions,
): Promise<{ revision: number; outcome: Extract<CommandOutcome, { type: Type }> }> {
  const result: CommandResult = await api.access.propose(context, command, options);
  if (result.outcome.type === 'failed') throw commandFailure(result.outcome.failure);
  return result as { revision: number; outcome: Extract<CommandOutcome, { type: Type }> };
}

export function kvService(api: ApiServices): { [Name in keyof KV]: HandlerOf<KV[Name]> } {
  const { member, headers, largeRanges } = api;
  const read = (request: RangeRequest): ReadRange => {
    const header = headers.header();
    const result = member.keyspace.range(rangeRequest(request), partOfRange);
    if ('failed' in result) throw commandFailure(result.failed);
    return { result, header };
  };
  const readAllowed = (request: RangeRequest, context: CallContext): Promise<ReadRange> =>
    api.access.reading(context, request, () => read(request));
  const large = async (found: ReadRange, request: RangeRequest, context: CallContext) => {
    const again = () => readAllowed(request, context);
    const answer = await largeRanges.answer(found, again, context.signal);
    // By now this member may know that what it has is not to be trusted.
    headers.header();
    return answer;
  };
  return {
    async range(request, context) {
      checkRange(request);
      if (!request.serializable) await member.readBarrier(forCaller(context, {}));
      const found = api.access.enabled ? await readAllowed(request, context) : read(request);
      const { result, header } = found;
      return result.rest === undefined ? rangeResponse(result, header) : large(found, request, context);
    },

    // Without async functions around it: each costs as much as what is done here.
    put(request, context) {
      try {
        checkPut(request);
      } catch (error) {
        return Promise.reject(error);
      }
      return api.access.propose(context, { type: 'put', request }).then(({ revision, outcome }) => {
        if (outcome.type === 'failed') throw commandFailure(outcome.failure);
        const { result } = outcome as Extract<CommandOutcome, { type: 'put' }>;
        return { header: headers.header(revision), prevKv: result.prevKv };
      });
    },

    async deleteRange(request, context) {
      checkDeleteRange(request);
      const { revision, outcome } = await proposeFor<'deleteRange'>(api, context, {
        type: 'deleteRange',
        request,
      });
      return deleteRangeResponse(outcome.result, headers.header(revision));
    },

    // One that only reads goes through the log too: that is linearizable on every member, and changes no revision.
    async txn(request, context) {
      const txn = checkedTxn(request, api.limits);
      checkReach(member.keyspace, [txn]);
      const { revision, outcome } = await proposeFor<'txn'>(api, context, { type: 'txn', request: txn });
      return txnResponse(outcome.result, headers.header(revision));
    },

    async compact(request, context) {
      const { revision } = await proposeFor<'compact'>(api, context, {
        type: 'compact',
        revision: request.revision,
      });
      // As in etcd, on the member that was asked alone.
      if (request.physical) await member.upkeep.finishCompaction(context.signal);
      return { header: headers.header(revision) };
    },
  };
}
