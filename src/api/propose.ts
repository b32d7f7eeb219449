import type { Command, CommandIdentity, CommandOutcome } from '../keyspace/types.ts';
import type { ProposeRequest, ProposeResponse, ResponseHeader } from '../wire/index.ts';
import { deleteRangeResponse, txnResponse } from './convert.ts';
import { randomLeaseId } from './lease.ts';
import { checkReach } from './reach.ts';
import type { ApiServices } from './service.ts';
import { commandFailure, failure, invalidArgument } from './status.ts';
import type { CallContext } from './types.ts';
import { checkDeleteRange, checkedTxn, checkPut, longestTtlSeconds } from './validate.ts';

type Request = NonNullable<ProposeRequest['request']>;
type Response = NonNullable<ProposeResponse['response']>;

/** A mutation under the client's own identity: retried after an ambiguous failure it is applied once. */
export async function propose(
  api: ApiServices,
  request: ProposeRequest,
  context: CallContext,
): Promise<ProposeResponse> {
  if (request.incarnation <= 0)
    throw invalidArgument('conclave: a proposal needs an incarnation; register first');
  if (request.sequence <= 0) throw invalidArgument('conclave: a proposal needs a sequence above 0');
  if (request.request === undefined) throw invalidArgument('conclave: a proposal without a request');
  const command = commandOf(api, request.request);
  const identity: CommandIdentity = {
    incarnation: request.incarnation,
    sequence: request.sequence,
    acknowledgedBelow: request.acknowledgedBelow,
  };
  await api.access.requireOwnClient(context, identity.incarnation);
  const { revision, outcome } = await api.access.propose(context, command, { identity });
  if (outcome.type === 'failed') throw commandFailure(outcome.failure);
  const { $case, value } = request.request;
  if ($case === 'compaction' && value.physical) await api.member.upkeep.finishCompaction(context.signal);
  return { response: responseOf(api, outcome, revision) };
}

function commandOf(api: ApiServices, request: Request): Command {
  switch (request.$case) {
    case 'put':
      checkPut(request.value);
      return { type: 'put', request: request.value };
    case 'deleteRange':
      checkDeleteRange(request.value);
      return { type: 'deleteRange', request: request.value };
    case 'txn': {
      const txn = checkedTxn(request.value, api.limits);
      checkReach(api.member.keyspace, [txn]);
      return { type: 'txn', request: txn };
    }
    case 'compaction':
      return { type: 'compact', revision: request.value.revision };
    case 'leaseGrant': {
      checkTtl(request.value.ttlMs);
      // A retry may choose another id here: the first one's result is what it gets.
      const lease = request.value.ID === 0n ? randomLeaseId(api) : request.value.ID;
      return { type: 'leaseGrant', lease, ttlMs: request.value.ttlMs };
    }
    case 'leaseRevoke':
      return { type: 'leaseRevoke', lease: request.value.ID };
    case 'txnSequence': {
      const requests = request.value.requests.map((one) => checkedTxn(one, api.limits));
      checkReach(api.member.keyspace, requests);
      return { type: 'txnSequence', requests };
    }
  }
}

/** Positive and within etcd's longest. @throws StatusError */
export function checkTtl(ttlMs: number): void {
  if (ttlMs <= 0) throw invalidArgument(`conclave: a TTL of ${ttlMs} ms; give at least 1`);
  if (ttlMs > longestTtlSeconds * 1000) throw failure('ttlTooLarge');
}

function responseOf(api: ApiServices, outcome: CommandOutcome, revision: number): Response {
  const header = api.headers.header(revision);
  switch (outcome.type) {
    case 'put':
      return { $case: 'put', value: { header, prevKv: outcome.result.prevKv } };
    case 'deleteRange':
      return { $case: 'deleteRange', value: deleteRangeResponse(outcome.result, header) };
    case 'txn':
      return { $case: 'txn', value: txnResponse(outcome.result, header) };
    case 'compact':
      return { $case: 'compaction', value: { header } };
    case 'leaseGrant': {
      const value = { header, ID: outcome.lease, ttlMs: outcome.ttlMs, error: '' };
      return { $case: 'leaseGrant', value };
    }
    case 'leaseRevoke':
      return { $case: 'leaseRevoke', value: { header } };
    case 'txnSequence':
      return { $case: 'txnSequence', value: { responses: sequenceResponses(api, outcome) } };
    default:
      throw new Error(`a proposal was answered by the outcome of ${outcome.type}`);
  }
}

/** Each with the revision of its own transaction. */
function sequenceResponses(api: ApiServices, outcome: Extract<CommandOutcome, { type: 'txnSequence' }>) {
  const headerOf = (revision: number): ResponseHeader => api.headers.header(revision);
  return outcome.results.map(({ result, revision }) => txnResponse(result, headerOf(revision)));
}
